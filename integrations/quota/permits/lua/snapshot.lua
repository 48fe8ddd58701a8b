#!lua flags=no-writes
-- One resource's quota as it is now, for pages and for the forecast. It changes nothing, which the server enforces.
--
-- KEYS 1 slots, 2 state, as in permit.lua
-- ARGV 1 cjson request: lanes {{lane, day_share, day_floor}, …}; 2 run of the server
-- Returns {} for a resource without a state, else {epoch, limit, free, window, withheld, day_limit, day_remaining,
-- day_used, day_foreign, day_ends, day_ends_in, has_forecast, kept}; the day's are absent until a response reports it.
-- Times are microseconds; `kept` are the calls of the day that each lane leaves to those above, by its name.
--@state
if not state.born then return '{}' end
local now = clock - state.born
--@kept

-- The slots expire half an hour after the last call, long before the state: without them every slot is free.
local free = state.limit
if redis.call('EXISTS', slots_key) == 1 then
  free = redis.call('ZCOUNT', slots_key, '-inf', string.format('%.0f', now))
  free = math.max(0, free - math.max(0, slots_beyond_limit(state.limit)))
end
local answer = {
  epoch = string.format('%.0f', state.born),
  limit = state.limit,
  free = free,
  window = state.window,
  withheld = math.ceil(withheld_slots()),
  day_limit = state.day_limit,
  day_remaining = state.day_remaining,
  day_used = state.day_used,
  day_foreign = state.day_foreign,
}
if state.day_limit and state.day_remaining and state.day_ends and state.day_ends > now then
  answer.day_ends, answer.day_ends_in = string.format('%.0f', state.day_ends), state.day_ends - now
  answer.has_forecast, answer.kept = has_forecast() and true or false, {}
  for _, lane in ipairs(request.lanes) do answer.kept[lane.lane] = kept_of_day(lane) end
end
return cjson.encode(answer)
