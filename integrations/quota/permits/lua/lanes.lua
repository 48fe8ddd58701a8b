-- What a lane leaves to those above it (a part of permit.lua).
--
-- While slots come back one by one, a few that are free are enough (`reserve`), as long as there is somebody who may
-- want them. Where the vendor's window is known they come back all at once, so what is kept from then to then is what
-- the lanes above are going to want in that time, as their calls of late tell, and as many more as such traffic varies
-- (1.65 standard deviations of a Poisson count), and one for whoever comes first after a silence. It melts towards the
-- opening, and nothing is left unused. That one goes while a quarter of the window is left, because a slot whose call is
-- answered close to the end may not be known to be free at the opening.
--
-- `vi`, `ve` millionths of calls of the interactive and the events lane, each forgotten with a half-life of 30 s since
-- `vt`; `a0` when somebody asked last for the interactive lane.
--
-- Nor may those above take everything for ever: to a lane that was refused for a minute without a single call the others
-- leave the next slot, and it takes that one as an interactive call would. `we`, `wb` since when the events and the bulk
-- lane are refused; whoever has not come for such a slot in as much time again has gone.

local SPAN, VARIES, LAST = 43280851, 1.65, 0.25  -- 30 s / ln 2; part of a window
local PATIENT, REFUSED_SINCE = math.max(60000000, 3 * window), { events = 'we', bulk = 'wb' }

local function starves(lane)
  local since = s[REFUSED_SINCE[lane]]
  return since and now - since >= PATIENT and now - since < 2 * PATIENT
end

local function count_refusals(calls, refused)
  local field = REFUSED_SINCE[req.lane]
  if not field then return end
  if calls > 0 then
    s[field] = nil
  elseif refused and not (s[field] and now - s[field] < 2 * PATIENT) then
    s[field] = now
  end
end

local function recent(count) return (count or 0) / 1000000 * math.exp(-math.max(0, now - (s.vt or now)) / SPAN) end

local function count_visits(calls)
  if calls == 0 or not (req.lane == 'interactive' or req.lane == 'events') then return end
  local interactive, events = recent(s.vi), recent(s.ve)
  if req.lane == 'interactive' then interactive = interactive + calls end
  if req.lane == 'events' then events = events + calls end
  s.vi, s.ve, s.vt = interactive * 1000000, events * 1000000, now
end

-- Calls of the lanes above per microsecond, and the microseconds until all slots come back; nil when that is not known.
local function wanted_above()
  if req.reserve == 0 or not believes() then return nil end
  local calls = recent(s.vi) + (req.lane == 'bulk' and recent(s.ve) or 0)
  return calls / SPAN, math.max(0, (opens_at() or now + window) - now)
end

local function kept()
  if starves(req.lane) then return 0 end
  if starves('events') or starves('bulk') then return req.reserve + 1 end
  local rate, span = wanted_above()
  if rate then
    local first = span > LAST * window and 1 or 0
    return math.max(first, math.floor(rate * span + VARIES * math.sqrt(rate * span) + 0.5))
  end
  if req.reserve > 0 and s.a0 and now - s.a0 < 60000000 then return req.reserve end
  return 0
end

-- Microseconds until fewer are kept than the `free` that are there; endless when nothing is known to melt.
local function melts_in(free)
  local rate, span = wanted_above()
  if not rate or free < 1 then return math.huge end
  local root = (math.sqrt(VARIES * VARIES + 4 * free - 2) - VARIES) / 2
  local melted = rate > 0 and root * root / rate or LAST * window
  if free == 1 then melted = math.min(melted, LAST * window) end
  return math.max(0, span - melted) + 1000
end
