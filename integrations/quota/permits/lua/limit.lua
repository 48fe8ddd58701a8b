-- How many calls the vendor takes in a window, and how long that is (a part of permit.lua).
--
-- A smaller limit counts at once. Nothing has to rest for it: whoever finds a slot free while fewer than `n` lie out or
-- cool down is with its call the n-th at most in any window that call is counted in, because an earlier call of that
-- window still holds its slot. So slots beyond `n` are kept, and as many are never handed out.
--
-- A larger limit and another window count when `AGREE` answers in a row say so (`ct` of them said `cm` in `cw`), since
-- some endpoints speak of a limit of their own, and some answers nonsense; a window only beside a limit. The former
-- limit's slots have kept their times and need no rest; slots that are new wait for a fence. When the window changes,
-- all rest for the longer of the two, once. What is told first (`mt` is not set) replaces a guess, and counts at once.

local AGREE = 3
local rest = window  -- of the slots that are reported now

local function take_limit(told, long)
  local longer = math.max(window, long)
  if long ~= window and not probe then hold(now + longer + req.slack) end
  rest = probe and long or longer
  for slot = redis.call('ZCARD', slots), told - 1 do place(slot, probe or now + longer + req.slack) end
  if long ~= window then s.fb = now + longer + req.slack end
  n, s.n, window, s.w = told, told, long, long
  s.cm, s.cw, s.ct = nil, nil, nil
  forget_window()
end

-- Whether this header's `remaining` is about the limit that is known.
local function learn_limit(rate)
  local told, long, first = rate.max, rate.interval or window, not s.mt
  if not told or told < 1 or told > 1000 then return false end
  if long < 1000000 then long = window end
  s.mt = 1
  if told == n and long == window then
    s.cm, s.cw, s.ct = nil, nil, nil
    return true
  end
  if told < n then
    if first and probe then
      for slot = told, n - 1 do
        -- Never used, nor promised to somebody who waits for the fence to end.
        if redis.call('ZSCORE', slots, slot) == exact(probe) then redis.call('ZREM', slots, slot) end
      end
    end
    n, s.n = told, told
    forget_window()
  end
  if told == n and long == window then
    s.cm, s.cw, s.ct = nil, nil, nil
    return false
  end
  s.ct = s.cm == told and s.cw == long and s.ct + 1 or 1
  s.cm, s.cw = told, long
  if first or s.ct >= AGREE then take_limit(told, long) end
  return false
end
