-- A ticket is a permit that was reserved for a task which has not started yet: the slot lies out until `deadline`.
-- Redeemed, it becomes a permit of its caller's own length, once; a second try, or one after the state was lost, finds
-- another deadline or another epoch and gets nothing. So a message delivered twice still makes one call.
--
-- KEYS 1 slots, 2 state, as in permit.lua
-- ARGV "redeem" | "release", epoch, slot, deadline, start, window (until a header reported it), ttl, run of the server
-- Returns {-1} when the ticket is void, else {delay until it may be used, the permit's deadline}.
local slots_key, state_key = KEYS[1], KEYS[2]
local action, epoch, slot, deadline = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local start, default_window, ttl, server = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local time = redis.call('TIME')
-- The hash's short names are in state.lua.
local values = redis.call('HMGET', state_key, 'b', 'sv', 'w', 'dr')
local born, stored_run, window, day_remaining = values[1], values[2], tonumber(values[3] or default_window), values[4]
-- Another run of the server may hold an older copy: permit.lua fences it, and what was reserved before is void.
if born ~= epoch or stored_run ~= server then return { '-1' } end
local score = redis.call('ZSCORE', slots_key, slot)
if not score or tonumber(score) ~= deadline then return { '-1' } end
local now = time[1] * 1000000 + time[2] - tonumber(born)
local free_from = math.max(now, start)
if action == 'redeem' then
  free_from = free_from + window + ttl
elseif day_remaining then
  redis.call('HINCRBY', state_key, 'dr', 1)  -- reserved of the day as well, and not used
  redis.call('HINCRBY', state_key, 'du', -1)
end
redis.call('ZADD', slots_key, string.format('%.0f', free_from), slot)
return { string.format('%.0f', math.max(0, start - now)), string.format('%.0f', free_from) }
