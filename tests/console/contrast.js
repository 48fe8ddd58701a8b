// What stands on this page with less contrast than WCAG AA asks for. A canvas tells any notation's colour in bytes.
() => {
  const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const bytes = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, below) => [0, 1, 2].map((i) => (top[i] * top[3]) / 255 + below[i] * (1 - top[3] / 255)).concat(255);
  const part = (byte) => (byte / 255 <= 0.03928 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([red, green, blue]) => 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
  const ground = (element) =>
    element ? over(bytes(getComputedStyle(element).backgroundColor), ground(element.parentElement)) : [255, 255, 255, 255];
  const faint = (element) => {
    const words = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    const { width, height } = element.getBoundingClientRect();
    if (!words || width < 2 || height < 2 || element.closest("[aria-hidden=true], .material-symbols-outlined")) return false;
    const style = getComputedStyle(element), behind = ground(element);
    const [low, high] = [light(over(bytes(style.color), behind)), light(behind)].sort((one, other) => one - other);
    return (high + 0.05) / (low + 0.05) < (parseFloat(style.fontSize) >= 24 ? 3 : 4.49);
  };
  return [...document.querySelectorAll("body *")].filter(faint).map((element) => element.outerHTML.slice(0, 120));
}
