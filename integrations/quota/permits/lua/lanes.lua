-- What a lane leaves to the lanes above it (a part of permit.lua).
--
-- While slots come back one by one, a few free ones are enough (`reserve`), as long as a caller above may want them.
-- Where the vendor's window is known they come back all together. Then the lane keeps the calls that the lanes above
-- will need until the next opening: their recent rate, as many more as such traffic varies (1.65 standard deviations
-- of a Poisson count), and one for the first caller after a silence. The number declines towards the opening, and
-- nothing is left unused. The last one is released while a quarter of the window is left, because a slot whose call
-- is answered close to the end may not be known to be free at the opening.
--
-- `recent_interactive` and `recent_events` are millionths of calls of the two lanes, each forgotten with a half-life
-- of 30 s since `recent_at`; `interactive_asked_at` is when a caller last asked for the interactive lane.
--
-- The lanes above may not take everything for ever. A lane that was refused for a minute without a single call gets
-- the next slot from the others, and takes it as an interactive call would. The events and the bulk lane are refused
-- since `events_refused_since` and `bulk_refused_since`; a lane that has not come for such a slot in as much time
-- again does not want it any more.

local DECAY, DEVIATIONS, RELEASED_FOR = 43280851, 1.65, 0.25  -- 30 s / ln 2; part of a window
local STARVATION = math.max(60000000, 3 * window)
local REFUSED_SINCE = { events = 'events_refused_since', bulk = 'bulk_refused_since' }

local function is_starving(lane)
  local since = state[REFUSED_SINCE[lane]]
  return since and now - since >= STARVATION and now - since < 2 * STARVATION
end

local function count_refusals(calls, refused)
  local field = REFUSED_SINCE[request.lane]
  if not field then return end
  if calls > 0 then
    state[field] = nil
  elseif refused and not (state[field] and now - state[field] < 2 * STARVATION) then
    state[field] = now
  end
end

local function recent(count)
  local age = math.max(0, now - (state.recent_at or now))
  return (count or 0) / 1000000 * math.exp(-age / DECAY)
end

local function count_calls(calls)
  if calls == 0 or not (request.lane == 'interactive' or request.lane == 'events') then return end
  local interactive, events = recent(state.recent_interactive), recent(state.recent_events)
  if request.lane == 'interactive' then interactive = interactive + calls end
  if request.lane == 'events' then events = events + calls end
  state.recent_interactive, state.recent_events, state.recent_at = interactive * 1000000, events * 1000000, now
end

-- Calls of the lanes above per microsecond, and the microseconds until all slots come back; nil when that is not
-- known.
local function wanted_above()
  if request.reserve == 0 or not is_window_proven() then return nil end
  local calls = recent(state.recent_interactive) + (request.lane == 'bulk' and recent(state.recent_events) or 0)
  return calls / DECAY, math.max(0, (window_opens_at() or now + window) - now)
end

local function kept_slots()
  if is_starving(request.lane) then return 0 end
  if is_starving('events') or is_starving('bulk') then return request.reserve + 1 end
  local rate, span = wanted_above()
  if rate then
    local first = span > RELEASED_FOR * window and 1 or 0
    return math.max(first, math.floor(rate * span + DEVIATIONS * math.sqrt(rate * span) + 0.5))
  end
  local asked_at = state.interactive_asked_at
  if request.reserve > 0 and asked_at and now - asked_at < 60000000 then return request.reserve end
  return 0
end

-- Microseconds until fewer are kept than the `free` that are there; endless when none is known to decline.
local function released_in(free)
  local rate, span = wanted_above()
  if not rate or free < 1 then return math.huge end
  local root = (math.sqrt(DEVIATIONS * DEVIATIONS + 4 * free - 2) - DEVIATIONS) / 2
  local at_release = rate > 0 and root * root / rate or RELEASED_FOR * window
  if free == 1 then at_release = math.min(at_release, RELEASED_FOR * window) end
  return math.max(0, span - at_release) + 1000
end
