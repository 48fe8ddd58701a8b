-- Grants permits for one resource in one round trip: takes back reported slots, learns from rate headers, grants.
--
-- A permit is one of `limit` slots. A granted slot lies out until its deadline; its report makes it free again one
-- window after the response was RECEIVED, so two calls of one slot are counted at least a window apart whatever the
-- latency, and no window of any phase holds more than `limit`. All times are microseconds since `born`, the birth of
-- the key, on the store's own clock; callers report ages and never times, so no other clock matters. Set back, that
-- one lets slots rest longer; by more than a minute, and the state is recreated. Set forward, it lets them rest
-- shorter by as much, once; by more than three seconds, and all wait for a window, since callers know how long ago
-- they asked last.
--
-- A slot might rest less by the quickest round trip seen: the way back of one call and the way there of the next take
-- that long together, as long as no route or endpoint is quicker than all before. That cannot be known, so it is not
-- done; it would gain 0.2 % of the quota where the quickest takes 20 ms.
--
-- KEYS 1 slots (zset: slot id -> free from), 2 state (hash)
-- ARGV 1 cjson request: want, epoch (that the caller knows, or ""), lost (bool: whether a state that is not there was
--      lost, as far as the store's age shows; absent before that was asked), start and window (the limit and its
--      interval until a header reports them), slack (within which a call in flight is counted), margin (between two
--      clocks), ttl (of a permit, without the window), horizon, credit, reserve, day_share, day_floor, interactive
--      (bool), lane, spare (permits to grant beyond `want`: see below; absent for none),
--      expected_now (`now` if no time is lost between the last answer to this caller and this question, absent before),
--      forecast {since, ends, events, bulk} (a forecast, see kept.lua), learn (bool: the vendor's window),
--      reports {{slot, deadline, age of the response | false: never sent, start | nothing}, …},
--      rate {max, remaining, interval, daily_limit, daily_remaining, daily_reset (absent where unknown), age and since
--      (of its response, of its request), start (of its permit), refused (bool: it was a 429)}.
-- Returns {epoch, now, reason, wait, foreign, grants {{slot, deadline, delay}, …}}; reason "" | "burst" | "day", wait
-- until it is worth asking, foreign: calls of others that this header revealed. The epoch is "" where there is no
-- state: when `want` is 0, and for a caller that knows none and has to ask again with `lost`.
--@state
local rate, server = request.rate, ARGV[2]
local LARGEST_STEP_BACK, LARGEST_STEP_FORWARD = 60000000, 3000000

local function exact(number) return string.format('%.0f', number) end
local function set_free_from(slot, free_from) redis.call('ZADD', slots_key, exact(free_from), slot) end
local function rest_all_until(free_from)  -- nothing that is free or cooling goes out before `free_from`
  local earlier = redis.call('ZRANGEBYSCORE', slots_key, '-inf', '(' .. exact(free_from))
  for _, slot in ipairs(earlier) do set_free_from(slot, free_from) end
end

local birth_fence = math.max(state.window or 0, request.window) + request.slack
local set_back = state.born and (state.paced_until or 0) > clock - state.born + birth_fence + LARGEST_STEP_BACK
if set_back then  -- the store's clock: all slots would rest until it has caught up
  state = { limit = state.limit, window = state.window, limit_was_reported = state.limit_was_reported }
end
if not state.born then
  local knows = request.epoch ~= '' or set_back
  -- Nothing is made for calls of a state that is gone, or while it is not known whether this one was.
  if request.want == 0 or not knows and request.lost == nil then return cjson.encode({ epoch = '', foreign = 0 }) end
  -- A lost state has calls in flight that this one does not know of: wait a whole window. The caller knows of the loss
  -- because it had calls under another epoch, or the store's age shows it. A new state: send a single probe, its
  -- headers open the rest. `unused_from` is the score of slots never used.
  redis.call('DEL', slots_key)
  state.born, state.limit = clock, state.limit or request.start
  for slot = 0, state.limit - 1 do set_free_from(slot, birth_fence) end
  if not (knows or request.lost) then
    set_free_from(0, 0)
    state.unused_from = birth_fence
  end
end
local now, epoch = clock - state.born, exact(state.born)
local limit, window, paced_until = state.limit, state.window or request.window, state.paced_until or 0
if redis.call('PEXPIRE', slots_key, IDLE / 1000) == 0 then
  -- Expired after half an hour without a call, so all are free; or evicted with calls in flight, so all wait.
  local free_from = now - paced_until >= IDLE and 0 or now + window + request.slack
  for slot = 0, limit - 1 do set_free_from(slot, free_from) end
  state.foreign_unknown_until = now + window + request.slack
  redis.call('PEXPIRE', slots_key, IDLE / 1000)
end
local probe = state.unused_from
if now < birth_fence and request.epoch ~= '' and request.epoch ~= epoch then
  -- A new process was first after the loss; this caller still has calls in flight from before it.
  rest_all_until(birth_fence)
  probe = nil
end
local stored_run = values[1]
local other_run = server ~= '' and server ~= stored_run
local set_forward = request.epoch == epoch and request.expected_now
  and now > request.expected_now + LARGEST_STEP_FORWARD
if other_run then redis.call('HSET', state_key, 'sv', server) end
if other_run and stored_run or set_forward then
  -- Restarted from a copy, or a replica took over: grants after that copy are unknown here. Or slots seem to have
  -- rested for longer than they have; or the caller was suspended on its way here: that cannot be known.
  rest_all_until(now + window + request.slack)
  state.foreign_unknown_until = now + window + request.slack
  -- Nor by a report that is sent again because its answer was lost: the slot may have gone out since.
  state.reports_fence = state.foreign_unknown_until
  state.opened_after, state.opened_by, state.opening_expected = nil, nil, nil
  probe = nil
end
if probe and now >= probe then probe = nil end
if state.reports_fence and now >= state.reports_fence then state.reports_fence = nil end

--@kept
--@day
--@window
--@limit
--@foreign
--@lanes

local known = learn_limit(rate)

begin_new_day()
open_window()
local settled = false
for _, report in ipairs(request.reports) do
  local score = redis.call('ZSCORE', slots_key, report[1])
  -- A stale or repeated report names a deadline that the slot no longer has.
  if request.epoch == epoch and score and tonumber(score) == report[2] then
    local free_from = report[3] and now - report[3] + rest + request.margin or now
    set_free_from(report[1], math.max(free_from, state.reports_fence or 0))
    if report[3] then
      settled = true
      if report[4] then answered_at(report[4], now - report[3]) end
    elseif state.day_remaining then
      state.day_remaining, state.day_used = state.day_remaining + 1, math.max(0, (state.day_used or 0) - 1)
    end
  end
end

if probe and settled then
  -- The probe showed how much is open, or nothing (refused or lost before it was counted): then one more probe. When
  -- the vendor has counted others, more of them may be under way: nothing opens before the fence.
  local open = rate.remaining or 1
  if rate.remaining and open < limit - 1 then open = 0 end
  local unused = redis.call('ZRANGEBYSCORE', slots_key, exact(probe), exact(probe), 'LIMIT', 0, open)
  for _, slot in ipairs(unused) do set_free_from(slot, now) end
  if rate.remaining then probe = nil end
end
state.unused_from = probe
learn_day(rate)
if request.forecast and request.epoch == epoch then learn_forecast(request.forecast) end
local others = 0
if known and request.epoch == epoch then
  learn_window(rate)
  others = learn_foreign(rate)
end
if rate.refused then learn_refusal(rate) end

if request.interactive and request.want > 0 then state.interactive_asked_at = now end
local beyond, others_hold = slots_beyond_limit(limit), math.ceil(withheld_slots())
local skip = beyond + math.min(others_hold + kept_slots(), limit - 1)

local grants, reason, wait = {}, '', 0
local function refuse(score, longest)
  reason, wait = 'burst', longest
  -- No slot is free but those that are kept, if any.
  if not score or score > now then
    wait = math.min(wait, released_in(redis.call('ZCOUNT', slots_key, '-inf', exact(now)) - beyond - others_hold))
  end
end
-- Where windows are fixed, what is spent early is surely counted before the next one opens.
local pace = math.ceil((state.opened_after and 0.85 or 0.985) * window / limit)
if request.want > 0 then
  local want, credit, spare = request.want, request.credit, request.spare or 0
  -- Spares spare a caller its next questions. They start at once, and a quarter of the slots has to be free: what a caller
  -- may not use is not taken from others.
  if spare > 0 and redis.call('ZCOUNT', slots_key, '-inf', exact(now)) - skip < limit / 4 then spare = 0 end
  if is_starving(request.lane) then want, credit, spare = 1, limit, 0 end
  local free = redis.call('ZRANGE', slots_key, skip, skip + want + spare - 1, 'WITHSCORES')
  for i = 1, want + spare do
    local slot, score = free[2 * i - 1], tonumber(free[2 * i])
    local start = slot and math.max(score, now, paced_until - (credit + burst_paces()) * pace)
    wait = day_wait()
    if i > want and (wait > 0 or not slot or start > now) then
      wait = 0
      break
    end
    if wait > 0 then
      reason = 'day'
      break
    end
    if not slot then
      refuse(nil, window)
      break
    end
    local opening = start > now and window_opens_at()
    if opening and opening < start then
      refuse(score, opening - now)
      break
    end
    if start > now + request.horizon then
      -- The last slots' calls are still under way: the earliest report that may come sets one free a window later.
      refuse(score, math.min(start - now, window + request.slack))
      break
    end
    paced_until = math.max(paced_until, start) + pace
    local deadline = start + window + request.ttl
    set_free_from(slot, deadline)
    if state.day_remaining then state.day_remaining = state.day_remaining - 1 end
    state.day_used = (state.day_used or 0) + 1
    grants[#grants + 1] = { tonumber(slot), exact(deadline), start - now }
  end
  if reason == 'burst' and probe then wait = math.min(wait, 100000) end
  state.paced_until = paced_until
  count_calls(#grants)
  count_refusals(#grants, reason == 'burst')
end
if state.day_remaining then state.day_remaining = math.max(state.day_remaining, 0) end

local changes, gone = {}, {}
for i = 1, #FIELDS, 2 do
  local name, stored_name = FIELDS[i], FIELDS[i + 1]
  if state[name] and state[name] ~= stored[name] then
    changes[#changes + 1] = stored_name
    changes[#changes + 1] = exact(state[name])
  elseif stored[name] and not state[name] then
    gone[#gone + 1] = stored_name
  end
end
if #changes > 0 then redis.call('HSET', state_key, unpack(changes)) end
if #gone > 0 then redis.call('HDEL', state_key, unpack(gone)) end
if request.want > 0 then redis.call('PEXPIRE', state_key, 93600000) end
return cjson.encode({
  epoch = epoch, now = exact(now), reason = reason, wait = wait, foreign = others, grants = grants,
})
