// What is wrong with the rows of a list on a telephone, as texts: see test_telephone.py.
most => [...document.querySelectorAll("#result_list .data-row")].flatMap(row => {
  const box = row.getBoundingClientRect(), wrong = [], lines = new Set();
  const isSeen = one => one.width > 0 && one.height > 0 && one.top < box.bottom - 1;
  if (box.height > most) wrong.push(`is ${box.height} pixels high`);
  for (const cell of row.cells) {
    const place = cell.getBoundingClientRect();
    if (!isSeen(place)) continue;
    if (!cell.matches(".action-checkbox")) lines.add(Math.round(place.top));
    if (place.bottom > box.bottom || place.right > box.right) wrong.push(`${cell.dataset.label} is cut through`);
  }
  if (lines.size > 2) wrong.push(`has ${lines.size} lines`);
  for (const link of row.querySelectorAll("a")) {
    const place = link.getBoundingClientRect();
    if (isSeen(place) && (place.width < 24 || place.height < 24)) wrong.push(`${link.innerText} is too small for a finger`);
  }
  const way = row.querySelector("th a");
  if (way && !isSeen(way.getBoundingClientRect())) wrong.push("hides the link to its page");
  return wrong.map(words => `${row.innerText.slice(0, 40)}: ${words}`);
})
