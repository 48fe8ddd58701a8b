-- The age of this Redis store: how long it has kept our states. It distinguishes a state that never was from one
-- that was lost. The first request after the store was emptied, or after another run of the server took over, sets
-- the mark.
--
-- KEYS 1 the mark ("<run of the server> <microseconds>")
-- ARGV microseconds that states are known to have been kept when there is no mark, run of the server
-- Returns the mark's age in microseconds.
local mark_key, kept_already, server = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]
local marked_run, since = string.match(redis.call('GET', mark_key) or '', '^(%S*) (%d+)$')
since = tonumber(since)
if marked_run ~= server or since > clock then
  since = clock - kept_already
  redis.call('SET', mark_key, server .. ' ' .. string.format('%.0f', since))
end
return string.format('%.0f', clock - since)
