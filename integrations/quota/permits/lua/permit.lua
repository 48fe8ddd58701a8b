-- One resource's quota in one round trip: take back what is reported, learn what the headers say, grant permits.
--
-- A permit is one of `n` slots. A granted slot lies out until its deadline; its report makes it free again one window
-- after the response was RECEIVED, so two calls of one slot are counted at least a window apart whatever the latency,
-- and no window of any phase holds more than n. All times are microseconds since `b`, the birth of the key, on the
-- store's own clock; callers report ages and never times, so no other clock matters. Set back, that one lets slots rest
-- longer; by more than a minute, and the state is made anew. Set forward, it lets them rest shorter by as much, once; by
-- more than three seconds, and all wait for a window, since callers know how long ago they asked last.
--
-- A slot might rest less by the quickest round trip seen: the way back of one call and the way there of the next take
-- that long together, as long as no route or endpoint is quicker than all before. That cannot be known, so it is not
-- done; it would gain 0.2 % of the quota where the quickest takes 20 ms.
--
-- KEYS 1 slots (zset: slot id -> free from), 2 state (hash)
-- ARGV 1 cjson request: want, epoch (that the caller knows, or ""), lost (bool: whether a state that is not there was
--      lost, as far as the store's age tells; absent before that was asked), start and window (the limit and its interval until
--      a header tells them), slack (within which a call in flight is counted), margin (between two clocks), ttl (of a
--      permit, without the window), horizon, credit, reserve, day_share, day_floor, interactive (bool), lane,
--      reckoned (`now` if no time is lost between the last answer to this caller and this question, absent before),
--      kept {since, ends, events, bulk} (a forecast, see day.lua), learn (bool: the vendor's window),
--      reports {{slot, deadline, age of the response | false: never sent, start | nothing}, …},
--      rate {max, remaining, interval, daily_limit, daily_remaining, daily_reset (absent where unknown), age and since
--      (of its response, of its request), start (of its permit), refused (bool: it was a 429)}.
-- Returns {epoch, now, reason, wait, foreign, grants {{slot, deadline, delay}, …}}; reason "" | "burst" | "day", wait until
-- it is worth asking, foreign: calls of others that this header told of. The epoch is "" where there is no state: for
-- want of 0, and for a caller who knows none and has to ask again with `lost`.
local req = cjson.decode(ARGV[1])
local rate, server = req.rate, ARGV[2]
local slots, state = KEYS[1], KEYS[2]
local t = redis.call('TIME')
local clock = t[1] * 1000000 + t[2]
local DAY, IDLE, AHEAD, STEP = 86400000000, 1800000000, 60000000, 3000000

local function exact(number) return string.format('%.0f', number) end
local function place(slot, free_from) redis.call('ZADD', slots, exact(free_from), slot) end
local function hold(free_from)  -- nothing that is free or cooling goes out before `free_from`
  for _, slot in ipairs(redis.call('ZRANGEBYSCORE', slots, '-inf', '(' .. exact(free_from))) do place(slot, free_from) end
end

local FIELDS = { 'b', 'n', 'w', 'tat', 'probe', 'rf', 'dl', 'dr', 'dt', 'du', 'df', 'kt', 'kd', 'ke', 'kf', 'kb', 'kc',
  'a0', 'vi', 've', 'vt', 'we', 'wb', 'f', 'fa', 'fb', 'fr', 'lo', 'hi', 'lh', 'lp', 'ln', 'lx', 'mt', 'cm', 'cw', 'ct' }
local stored, s = redis.call('HMGET', state, 'sv', unpack(FIELDS)), {}
for i, field in ipairs(FIELDS) do
  stored[field] = stored[i + 1] and tonumber(stored[i + 1])
  s[field] = stored[field] or nil
end

local birth_fence = math.max(s.w or 0, req.window) + req.slack
local set_back = s.b and (s.tat or 0) > clock - s.b + birth_fence + AHEAD
if set_back then s = { n = s.n, w = s.w, mt = s.mt } end  -- the store's clock: all slots would rest until it has caught up
if not s.b then
  local knows = req.epoch ~= '' or set_back
  -- Nothing is made for calls of a state that is gone, or while it is not known whether this one was.
  if req.want == 0 or not knows and req.lost == nil then return cjson.encode({ epoch = '', foreign = 0 }) end
  -- A lost state, as the caller knows who had calls under another epoch, or as the store's age tells, has calls in flight
  -- that this one does not know of: wait a whole window. A new state: send a single probe, its headers open the rest.
  -- `probe` is the score of slots never used.
  redis.call('DEL', slots)
  s.b, s.n = clock, s.n or req.start
  for slot = 0, s.n - 1 do place(slot, birth_fence) end
  if not (knows or req.lost) then
    place(0, 0)
    s.probe = birth_fence
  end
end
local now, epoch = clock - s.b, exact(s.b)
local n, window, tat = s.n, s.w or req.window, s.tat or 0
if redis.call('PEXPIRE', slots, IDLE / 1000) == 0 then
  -- Expired after half an hour without a call, so all are free; or evicted with calls in flight, so all wait.
  local free_from = now - tat >= IDLE and 0 or now + window + req.slack
  for slot = 0, n - 1 do place(slot, free_from) end
  s.fb = now + window + req.slack
  redis.call('PEXPIRE', slots, IDLE / 1000)
end
local probe = s.probe
if now < birth_fence and req.epoch ~= '' and req.epoch ~= epoch then
  -- A new process was first after the loss; this caller still has calls in flight from before it.
  hold(birth_fence)
  probe = nil
end
local other_run = server ~= '' and server ~= stored[1]
local set_forward = req.epoch == epoch and req.reckoned and now > req.reckoned + STEP
if other_run then redis.call('HSET', state, 'sv', server) end
if other_run and stored[1] or set_forward then
  -- Restarted from a copy, or a replica took over: grants after that copy are unknown here. Or slots seem to have rested
  -- for longer than they have; or the caller stood still on its way here, and nobody can tell.
  hold(now + window + req.slack)
  s.fb = now + window + req.slack
  s.rf = s.fb  -- nor by a report that is told again because its answer was lost: the slot may have gone out since
  s.lo, s.hi, s.lh = nil, nil, nil
  probe = nil
end
if probe and now >= probe then probe = nil end
if s.rf and now >= s.rf then s.rf = nil end

--@day
--@window
--@limit
--@foreign
--@lanes

local known = learn_limit(rate)

roll_day()
open_window()
local settled = false
for _, report in ipairs(req.reports) do
  local score = redis.call('ZSCORE', slots, report[1])
  -- A stale or repeated report names a deadline that the slot no longer has.
  if req.epoch == epoch and score and tonumber(score) == report[2] then
    local free_from = report[3] and now - report[3] + rest + req.margin or now
    place(report[1], math.max(free_from, s.rf or 0))
    if report[3] then
      settled = true
      if report[4] then answered_at(report[4], now - report[3]) end
    elseif s.dr then
      s.dr, s.du = s.dr + 1, math.max(0, (s.du or 0) - 1)
    end
  end
end

if probe and settled then
  -- The probe told how much is open, or nothing (refused or lost before it was counted): then one more probe. When the
  -- vendor has counted others, more of them may be under way: nothing opens before the fence.
  local open = rate.remaining or 1
  if rate.remaining and open < n - 1 then open = 0 end
  local unused = redis.call('ZRANGEBYSCORE', slots, exact(probe), exact(probe), 'LIMIT', 0, open)
  for _, slot in ipairs(unused) do place(slot, now) end
  if rate.remaining then probe = nil end
end
s.probe = probe
learn_day(rate)
if req.kept and req.epoch == epoch then learn_forecast(req.kept) end
local others = 0
if known and req.epoch == epoch then
  learn_window(rate)
  others = learn_foreign(rate)
end
if rate.refused then refused(rate) end

if req.interactive and req.want > 0 then s.a0 = now end
local beyond, others_hold = redis.call('ZCARD', slots) - n, math.ceil(withheld())
local skip = beyond + math.min(others_hold + kept(), n - 1)

local grants, reason, wait = {}, '', 0
local function refuse(score, longest)
  reason, wait = 'burst', longest
  -- No slot is free but those that are kept, if any.
  if not score or score > now then
    wait = math.min(wait, melts_in(redis.call('ZCOUNT', slots, '-inf', exact(now)) - beyond - others_hold))
  end
end
-- Where windows are fixed, what is spent early is surely counted before the next one opens.
local pace = math.ceil((s.lo and 0.85 or 0.985) * window / n)
if req.want > 0 then
  local want, credit = req.want, req.credit
  if starves(req.lane) then want, credit = 1, n end
  local free = redis.call('ZRANGE', slots, skip, skip + want - 1, 'WITHSCORES')
  for i = 1, want do
    wait = day_wait()
    if wait > 0 then
      reason = 'day'
      break
    end
    local slot, score = free[2 * i - 1], tonumber(free[2 * i])
    if not slot then
      refuse(nil, window)
      break
    end
    local start = math.max(score, now, tat - (credit + burst()) * pace)
    local opening = start > now and opens_at()
    if opening and opening < start then
      refuse(score, opening - now)
      break
    end
    if start > now + req.horizon then
      -- The last slots' calls are still under way: the earliest report that may come sets one free a window later.
      refuse(score, math.min(start - now, window + req.slack))
      break
    end
    tat = math.max(tat, start) + pace
    local deadline = start + window + req.ttl
    place(slot, deadline)
    if s.dr then s.dr = s.dr - 1 end
    s.du = (s.du or 0) + 1
    grants[#grants + 1] = { tonumber(slot), exact(deadline), start - now }
  end
  if reason == 'burst' and probe then wait = math.min(wait, 100000) end
  s.tat = tat
  count_visits(#grants)
  count_refusals(#grants, reason == 'burst')
end
if s.dr then s.dr = math.max(s.dr, 0) end

local changes, gone = {}, {}
for _, field in ipairs(FIELDS) do
  if s[field] and s[field] ~= stored[field] then
    changes[#changes + 1] = field
    changes[#changes + 1] = exact(s[field])
  elseif stored[field] and not s[field] then
    gone[#gone + 1] = field
  end
end
if #changes > 0 then redis.call('HSET', state, unpack(changes)) end
if #gone > 0 then redis.call('HDEL', state, unpack(gone)) end
if req.want > 0 then redis.call('PEXPIRE', state, 93600000) end
return cjson.encode({
  epoch = epoch, now = exact(now), reason = reason, wait = wait, foreign = others, grants = grants,
})
