-- What is kept back of a resource's quota, from its state alone: permit.lua acts on it, and snapshot.lua shows it.
--
-- Part of the day is kept for the lanes above. If a resource has a forecast, it is what they will need until the day
-- ends (forecast.py): the forecast is made for `forecast_at`, the start of an hour, and for `forecast_day_ends`, the
-- end of the day. `forecast_events` calls are kept from the events lane at the start of the
-- hour and `forecast_events_later` at its end, from the bulk lane `forecast_bulk` and `forecast_bulk_later`; in
-- between it declines. No forecast, an old one, or one for another day: a share of the day, declining evenly. Until
-- the last half hour there is a floor for what no forecast foresees: beside the forecast, and beneath the share.
--
-- Slots are withheld for calls of others on the same quota (foreign.lua): `foreign_calls` of them at `foreign_at`;
-- the number declines to none within a minute.
--
-- A lane is a table with `lane` (its name), `day_share` and `day_floor` (parts of the day).

local SAME_DAY, FOREIGN_DECLINE = 600000000, 60000000

local function has_forecast()
  return state.forecast_at and now < state.forecast_at + 2 * HOUR
    and math.abs(state.forecast_day_ends - state.day_ends) < SAME_DAY
end

-- Calls to keep from this lane at the start of the forecast's hour, and at its end.
local function forecast_of(lane_name)
  if lane_name == 'events' then return state.forecast_events, state.forecast_events_later end
  return state.forecast_bulk, state.forecast_bulk_later
end

local function kept_floor(lane)
  return state.day_ends - now > IDLE and lane.day_floor * state.day_limit or 0
end

-- Calls of the day that this lane leaves to those above it. The day has to be known.
local function kept_of_day(lane)
  local floor = kept_floor(lane)
  if not has_forecast() then
    return math.max(lane.day_share * state.day_limit * (state.day_ends - now) / DAY, floor)
  end
  local first, later = forecast_of(lane.lane)
  return first - (first - later) * math.min(now - state.forecast_at, HOUR) / HOUR + floor
end

local function withheld_slots()
  if not state.foreign_calls then return 0 end
  return math.max(0, state.foreign_calls * (1 - (now - state.foreign_at) / FOREIGN_DECLINE))
end

-- Slots that are kept of a larger limit and not handed out (limit.lua).
local function slots_beyond_limit(limit_now)
  return redis.call('ZCARD', slots_key) - limit_now
end
