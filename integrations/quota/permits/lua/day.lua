-- The day budget of one resource (a part of permit.lua, which declares `state`, `now` and `request`).
--
-- The vendor's limit is `day_limit`; `day_remaining` is what is left by our own count until `day_ends`, `day_used`
-- are our own calls in it, `day_foreign` those of others. A call is counted down when it is granted and counted up
-- again when it was never sent, so without others `day_remaining` is never above what a header says; where a header
-- is lower, another client spends the same quota. How much of the day is kept for the lanes above is in kept.lua.

local function begin_new_day()
  if state.forecast_at and now >= state.forecast_at + 2 * HOUR then
    state.forecast_at, state.forecast_day_ends = nil, nil
    state.forecast_events, state.forecast_events_later = nil, nil
    state.forecast_bulk, state.forecast_bulk_later = nil, nil
  end
  if state.day_ends and now >= state.day_ends then
    -- The vendor's day is over as well: a header reported `day_ends`, or it is a day after a call of it.
    state.day_remaining, state.day_ends = state.day_limit, now + DAY
    state.day_used, state.day_foreign = 0, 0
  end
end

-- Calls under way, which a header may not have counted yet.
local function calls_in_flight()
  return redis.call('ZCOUNT', slots_key, '(' .. exact(now + window + request.margin), '+inf')
end

local function learn_day(rate)
  if rate.daily_limit then state.day_limit = rate.daily_limit end
  local reported = rate.daily_remaining
  if not (state.day_limit and reported) then return end
  local ends = rate.daily_reset and now - (rate.age or 0) + rate.daily_reset
  local is_old = ends and state.day_ends and state.day_remaining and ends < state.day_ends - DAY / 2
  if is_old then return end  -- about the day before this one
  if not state.day_remaining then
    state.day_remaining = reported - calls_in_flight()
  elseif reported < state.day_remaining then
    state.day_foreign = (state.day_foreign or 0) + state.day_remaining - reported
    state.day_remaining = reported
  elseif reported > state.day_remaining + 2 * limit then
    -- A new day that no header announced, or permits that were lost unsent.
    if reported > state.day_remaining + state.day_limit / 2 then
      state.day_ends, state.day_used, state.day_foreign = now + DAY, 0, 0
    end
    state.day_remaining = reported - calls_in_flight()
  end
  state.day_ends = ends or state.day_ends or now + DAY
end

local function learn_forecast(forecast)
  state.forecast_at, state.forecast_day_ends = now - forecast.since, forecast.ends
  state.forecast_events, state.forecast_events_later = forecast.events[1], forecast.events[2]
  state.forecast_bulk, state.forecast_bulk_later = forecast.bulk[1], forecast.bulk[2]
end

-- Microseconds until no more than `enough` calls are kept from this lane, of which `keep` are kept now.
local function forecast_wait(keep, floor, remains, enough)
  local first, later = forecast_of(request.lane)
  local wait = state.forecast_at + HOUR - now  -- there is a new forecast by then
  if later < first and later <= enough - floor then wait = (keep - enough) * HOUR / (first - later) end
  if wait <= 0 then wait = HOUR / 60 end
  if floor > 0 then wait = math.min(wait, remains - IDLE) end
  return wait
end

local function share_wait(floor, remains, enough)
  local wait = remains - enough * DAY / (request.day_share * state.day_limit)
  if enough < floor then wait = math.max(wait, remains - IDLE) end
  return wait
end

-- Microseconds until this lane gets a call of the day; 0: now.
local function day_wait()
  if not (state.day_remaining and state.day_ends) then return 0 end
  local left, remains = state.day_remaining, state.day_ends - now
  if (state.day_foreign or 0) > 0 then left = left - calls_in_flight() end
  if left < 1 and state.day_remaining >= 1 then return math.min(remains, 1000000) end  -- their answers will show it
  if left < 1 then return remains end
  if request.day_share == 0 then return 0 end
  local keep, floor = kept_of_day(request), kept_floor(request)
  if left - keep >= 1 then return 0 end
  local wait
  if has_forecast() then
    wait = forecast_wait(keep, floor, remains, left - 1)
  else
    wait = share_wait(floor, remains, left - 1)
  end
  return math.min(remains, math.max(wait, 1000000))
end
