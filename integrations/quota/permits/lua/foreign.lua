-- Calls of other clients on the same quota (a part of permit.lua).
--
-- An own call that the vendor still remembers holds a slot. So a header that counts more calls than slots are held
-- has counted calls of others: `others`. That many slots are withheld, and as many more as such traffic varies (3.3
-- standard deviations of a Poisson count); the number declines to none in a minute (kept.lua). Nothing is learned
-- before `foreign_unknown_until`, because a state that is new or has lost slots does not know its own calls.

local WITHHELD_AFTER_429 = 5

local function withhold_slots(count)
  if count > withheld_slots() then state.foreign_calls, state.foreign_at = math.ceil(count), now end
end

local function learn_foreign(rate)
  if not (rate.remaining and rate.since) or probe then return 0 end
  local sent = now - rate.since
  if sent < math.max(state.foreign_unknown_until or 0, birth_fence) then return 0 end
  local held = redis.call('ZCOUNT', slots_key, '(' .. exact(sent), '+inf')
  local others = limit - rate.remaining - held
  if others > 0 then
    withhold_slots(others + 3.3 * math.sqrt(others))
    distrust_window()
  end
  return math.max(0, others)
end

-- The vendor refused a call for this quota: it counts calls that we do not know of, how many is unknown.
local function learn_refusal(rate)
  -- The day's end, or some endpoint's own limit while this quota has calls left.
  if rate.daily_remaining == 0 or (rate.remaining or 0) > 0 then return end
  rest_all_until(now - (rate.age or 0) + window + request.slack)
  distrust_window()
  if now - (state.refused_at or -window) >= window then
    state.refused_at = now
    withhold_slots(withheld_slots() + WITHHELD_AFTER_429)
  end
end
