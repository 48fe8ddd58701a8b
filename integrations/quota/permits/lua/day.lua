-- The day's budget of one resource (a part of permit.lua: `s`, `now`, `req` are its own).
--
-- `dl` limit, `dr` what is left by our own count, `dt` when the day ends, `du` our own calls in it, `df` calls of others.
-- A call is counted down when it is granted and counted up again when it was never sent, so without others `dr` is
-- never above what a header says; where a header is lower, somebody else spends the same quota.
--
-- Part of the day is kept for the lanes above. Of a resource whose habits are known that is what they will want until
-- the day ends (forecast.py): `kt` is the start of the hour it was told for, `kd` the end of the day; kept from events
-- are `ke` calls at `kt` and `kf` an hour later, from bulk `kb` and `kc`, and in between it melts. Nobody told, or long
-- ago, or for another day: a share of the day, which melts evenly. Until the last half hour there is a floor for what
-- nobody foresees: beside the forecast, and beneath the share.

local HOUR, AGREES = 3600000000, 600000000

local function roll_day()
  if s.kt and now >= s.kt + 2 * HOUR then s.kt, s.kd, s.ke, s.kf, s.kb, s.kc = nil, nil, nil, nil, nil, nil end
  if s.dt and now >= s.dt then
    -- The vendor's day is over as well: `dt` was told, or is a day after a call of it.
    s.dr, s.dt, s.du, s.df = s.dl, now + DAY, 0, 0
  end
end

-- Calls under way, which a header may not have counted yet.
local function under_way()
  return redis.call('ZCOUNT', slots, '(' .. exact(now + window + req.margin), '+inf')
end

local function learn_day(rate)
  if rate.daily_limit then s.dl = rate.daily_limit end
  local told = rate.daily_remaining
  if not (s.dl and told) then return end
  local ends = rate.daily_reset and now - (rate.age or 0) + rate.daily_reset
  if ends and s.dt and s.dr and ends < s.dt - DAY / 2 then return end  -- said about the day before this one
  if not s.dr then
    s.dr = told - under_way()
  elseif told < s.dr then
    s.df, s.dr = (s.df or 0) + s.dr - told, told
  elseif told > s.dr + 2 * n then
    -- A new day that nobody announced, or permits that were lost unsent.
    if told > s.dr + s.dl / 2 then s.dt, s.du, s.df = now + DAY, 0, 0 end
    s.dr = told - under_way()
  end
  s.dt = ends or s.dt or now + DAY
end

local function learn_forecast(told)
  s.kt, s.kd = now - told.since, told.ends
  s.ke, s.kf, s.kb, s.kc = told.events[1], told.events[2], told.bulk[1], told.bulk[2]
end

-- What is kept from this lane now, and how long until no more than `enough` is.
local function by_forecast(floor, remains, enough)
  local first, later = s.kb, s.kc
  if req.lane == 'events' then first, later = s.ke, s.kf end
  local into = math.min(now - s.kt, HOUR)
  local keep = first - (first - later) * into / HOUR
  local wait = s.kt + HOUR - now  -- told anew by then
  if later < first and later <= enough - floor then wait = (keep + floor - enough) * HOUR / (first - later) end
  if wait <= 0 then wait = HOUR / 60 end
  if floor > 0 then wait = math.min(wait, remains - IDLE) end
  return keep + floor, wait
end

local function by_share(floor, remains, enough)
  local share = req.day_share * s.dl
  local wait = remains - enough * DAY / share
  if enough < floor then wait = math.max(wait, remains - IDLE) end
  return math.max(share * remains / DAY, floor), wait
end

-- Microseconds until this lane gets a call of the day; 0: now.
local function day_wait()
  if not (s.dr and s.dt) then return 0 end
  local left, remains = s.dr, s.dt - now
  if (s.df or 0) > 0 then left = left - under_way() end
  if left < 1 and s.dr >= 1 then return math.min(remains, 1000000) end  -- what is under way will tell
  if left < 1 then return remains end
  if req.day_share == 0 then return 0 end
  local told = s.kt and math.abs(s.kd - s.dt) < AGREES
  local floor = remains > IDLE and req.day_floor * s.dl or 0
  local keep, wait = (told and by_forecast or by_share)(floor, remains, left - 1)
  if left - keep >= 1 then return 0 end
  return math.min(remains, math.max(wait, 1000000))
end
