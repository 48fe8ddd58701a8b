-- The day's budget of one resource (a part of permit.lua: `s`, `now`, `req` are its own).
--
-- `dl` limit, `dr` what is left by our own count, `dt` when the day ends, `du` our own calls in it, `df` calls of others.
-- A call is counted down when it is granted and counted up again when it was never sent, so without others `dr` is
-- never above what a header says; where a header is lower, somebody else spends the same quota.

local function roll_day()
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

-- Microseconds until this lane gets a call of the day; 0: now.
local function day_wait()
  if not (s.dr and s.dt) then return 0 end
  local left, remains = s.dr, s.dt - now
  if (s.df or 0) > 0 then left = left - under_way() end
  local floor = req.day_floor * s.dl
  local keep = math.max(req.day_share * s.dl * remains / DAY, remains > IDLE and floor or 0)
  if left - keep >= 1 then return 0 end
  if left < 1 and s.dr >= 1 then return math.min(remains, 1000000) end  -- what is under way will tell
  if left < 1 or req.day_share == 0 then return remains end
  local melted = remains - (left - 1) * DAY / (req.day_share * s.dl)
  if left - 1 < floor then melted = math.max(melted, remains - IDLE) end
  return math.min(remains, math.max(melted, 1000000))
end
