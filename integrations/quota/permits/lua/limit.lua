-- Learns how many calls the vendor takes in a window, and how long the window is (a part of permit.lua).
--
-- A smaller limit counts at once, and no slot has to rest for it. A call that finds a slot free while fewer than
-- `limit` slots are out or cooling is at most the n-th in any window that counts it, because an earlier call of that
-- window still holds its slot. So slots beyond `limit` are kept, and as many are never handed out.
--
-- A larger limit and another window count when `REPEATS_NEEDED` answers in a row report them (`candidate_count` of them
-- reported `candidate_limit` in `candidate_window`), because some endpoints report a limit of their own, and some
-- answers are wrong. A window counts only together with a limit. The slots of the former limit have kept their times
-- and need no rest; new slots wait for a fence. When the window changes, all rest for the longer of the two, once.
-- The first reported limit (`limit_was_reported` is not set) replaces a guess, and counts at once.

local REPEATS_NEEDED = 3
local rest = window  -- of the slots that are reported now

local function take_limit(reported, long)
  local longer = math.max(window, long)
  if long ~= window and not probe then rest_all_until(now + longer + request.slack) end
  rest = probe and long or longer
  for slot = redis.call('ZCARD', slots_key), reported - 1 do
    set_free_from(slot, probe or now + longer + request.slack)
  end
  if long ~= window then state.foreign_unknown_until = now + longer + request.slack end
  limit, state.limit, window, state.window = reported, reported, long, long
  state.candidate_limit, state.candidate_window, state.candidate_count = nil, nil, nil
  forget_window()
end

-- Whether this header's `remaining` is about the limit that is known.
local function learn_limit(rate)
  local reported, long, first = rate.max, rate.interval or window, not state.limit_was_reported
  if not reported or reported < 1 or reported > 1000 then return false end
  if long < 1000000 then long = window end
  state.limit_was_reported = 1
  if reported == limit and long == window then
    state.candidate_limit, state.candidate_window, state.candidate_count = nil, nil, nil
    return true
  end
  if reported < limit then
    if first and probe then
      for slot = reported, limit - 1 do
        -- Never used, nor promised to a caller that waits for the fence to end.
        if redis.call('ZSCORE', slots_key, slot) == exact(probe) then redis.call('ZREM', slots_key, slot) end
      end
    end
    limit, state.limit = reported, reported
    forget_window()
  end
  if reported == limit and long == window then
    state.candidate_limit, state.candidate_window, state.candidate_count = nil, nil, nil
    return false
  end
  local again = state.candidate_limit == reported and state.candidate_window == long
  state.candidate_count = again and state.candidate_count + 1 or 1
  state.candidate_limit, state.candidate_window = reported, long
  if first or state.candidate_count >= REPEATS_NEEDED then take_limit(reported, long) end
  return false
end
