// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/gathering.hpp"

#include <algorithm>
#include <bit>
#include <set>

namespace tutti::bootstrap {

uint32_t line_count(uint32_t rank_count) { return static_cast<uint32_t>(std::bit_width(rank_count - 1)); }

std::vector<uint32_t> roots_of(const Place& place, uint32_t root_count) {
  std::vector<uint32_t> roots;
  for (uint32_t root = 0; root < root_count; ++root) {
    const Share share = share_of(root, root_count, place.rank_count);
    if (place.rank >= share.first && place.rank - share.first < share.count) {
      roots.push_back(root);
      if (root_count > 1 && place.rank == share.first) {
        roots.push_back((root + root_count - 1) % root_count);
      }
    }
  }
  return roots;
}

Gathering::Gathering(Place place, uint32_t root_count, Wires& wires, const Clock& clock)
    : place_(place), wires_(wires), clock_(clock), lines_(line_count(place.rank_count)), roots_(root_count, Presence::absent) {}

uint32_t Gathering::block_count(uint32_t step) const { return std::min(1u << step, place_.rank_count - (1u << step)); }

Gathering::Presence& Gathering::presence(const Line& line) {
  switch (line.kind) {
    case Line::Kind::root: return roots_[line.index];
    case Line::Kind::successor: return lines_[line.index].successor;
    case Line::Kind::predecessor: break;
  }
  return lines_[line.index].predecessor;
}

std::string Gathering::name_of(const Line& line) const {
  switch (line.kind) {
    case Line::Kind::root: return "the root";
    case Line::Kind::successor: return fmt::format("rank {}", successor(line.index));
    case Line::Kind::predecessor: break;
  }
  return fmt::format("rank {}", predecessor(line.index));
}

// ---- Rounds --------------------------------------------------------------------------------------------------------

Status Gathering::begin_round() {
  TUTTI_RETURN_IF_ERROR(failure_);
  if (running_) {
    return invalid_usage("bootstrap: rank {} began round {} before the one before it had ended", place_.rank, round_ + 1);
  }
  running_ = true;
  sent_ = 0;
  kept_ = 0;
  next_report_ns_ = clock_.now_ns() + kReportIntervalNs;
  check_for_absentees();
  advance();
  return failure_;
}

void Gathering::advance() {
  for (uint32_t step = 0; step < lines_.size(); ++step) {
    Pair& pair = lines_[step];
    const bool has_next = step + 1 < lines_.size();
    if (has_next && !pair.told && pair.address && pair.predecessor == Presence::up) {
      pair.told = true;
      wires_.send({Line::Kind::predecessor, step}, std::make_shared<const Bytes>(encode_frame(FrameType::successor, encode_address(*pair.address))));
    }
  }
  if (!running_ || !failure_.ok()) {
    return;
  }
  for (bool advanced = true; advanced;) {
    advanced = false;
    if (sent_ < lines_.size() && sent_ <= kept_ && lines_[sent_].predecessor != Presence::absent) {
      if (lines_[sent_].predecessor == Presence::up) {
        wires_.send_blocks(sent_, block_count(sent_));
      }
      ++sent_;
      advanced = true;
    }
    // What is kept comes behind what is sent in the same step, so that what lies there at the last step is not sent before its turn.
    if (kept_ < sent_ && lines_[kept_].arrived) {
      wires_.keep_blocks(kept_);
      lines_[kept_].arrived = lines_[kept_].next_arrived;
      lines_[kept_].next_arrived = false;
      ++kept_;
      advanced = true;
    }
  }
}

bool Gathering::has_all() const { return running_ && introduced_ && kept_ == lines_.size(); }

void Gathering::end_round() {
  running_ = false;
  next_report_ns_ = UINT64_MAX;
  if (round_++ == 0) {
    const auto frame = std::make_shared<const Bytes>(encode_frame(FrameType::goodbye, {}));
    for (uint32_t index = 0; index < roots_.size(); ++index) {
      if (std::exchange(roots_[index], Presence::left) == Presence::up) {
        wires_.send({Line::Kind::root, index}, frame);
      }
    }
  }
}

bool Gathering::take_blocks(uint32_t step, uint64_t number) {
  Pair& pair = lines_[step];
  // Of the running round blocks come once. A rank that is through with it may be in the next one already.
  const bool is_through = running_ && step < kept_;
  const uint64_t expected = round_ + (is_through ? 1 : 0) + (pair.arrived ? 1 : 0);
  if (number != expected || pair.next_arrived || (is_through && pair.arrived)) {
    return false;
  }
  (pair.arrived ? pair.next_arrived : pair.arrived) = true;
  pair.missing.reset();
  advance();
  return true;
}

// ---- Lines ---------------------------------------------------------------------------------------------------------

void Gathering::up(const Line& line) {
  presence(line) = Presence::up;
  if (!failure_.ok()) {
    wires_.send(line, std::make_shared<const Bytes>(encode_frame(FrameType::failure, encode_status(failure_))));
    return;
  }
  advance();
}

void Gathering::down(const Line& line, std::string_view why) {
  if (std::exchange(presence(line), Presence::left) != Presence::up) {
    return;
  }
  fail_from(line, line.kind == Line::Kind::root
                      ? remote_error("bootstrap: rank {} lost the process that made the id, {}", place_.rank, why)
                      : remote_error("bootstrap: {} died: {}", name_of(line), why));
}

void Gathering::receive(const Line& line, const Frame& frame) {
  const bool is_root = line.kind == Line::Kind::root;
  switch (frame.type) {
    case FrameType::introduction:
      if (line == Line{Line::Kind::root, 0}) {
        return learn_address(0, frame);
      }
      break;
    case FrameType::successor:
      if (line.kind == Line::Kind::successor && line.index + 1 < lines_.size()) {
        lines_[line.index].missing.reset();
        return learn_address(line.index + 1, frame);
      }
      break;
    case FrameType::missing_ranks:
      if (line.kind != Line::Kind::predecessor) {
        auto& known = is_root ? missing_at_root_ : lines_[line.index].missing;
        const auto before = std::exchange(known, decode_missing(frame.payload));
        return running_ && !is_root && known != before ? report(line.index + 1) : void();
      }
      break;
    case FrameType::goodbye:
      if (!is_root) {
        presence(line) = Presence::left;
        return check_for_absentees();
      }
      break;
    case FrameType::abandonment:
      if (!is_root) {
        presence(line) = Presence::left;
        return fail_from(line, gave_up(line.kind == Line::Kind::successor ? successor(line.index) : predecessor(line.index),
                                       decode_status(frame.payload)));
      }
      break;
    case FrameType::failure:
      return fail_from(line, decode_status(frame.payload).value_or(remote_error("bootstrap: the job failed for an unreadable reason")));
    default: break;
  }
  fail_from(line, remote_error("bootstrap: {} sent a frame of type {} that makes no sense", name_of(line), static_cast<uint32_t>(frame.type)));
}

void Gathering::learn_address(uint32_t step, const Frame& frame) {
  introduced_ = true;
  missing_at_root_.reset();
  if (lines_.empty()) {
    return;  // of this rank
  }
  const auto address = decode_address(frame.payload);
  if (!address || step != known_count_) {
    return fail(remote_error("bootstrap: rank {} was told something that is no address of rank {}", place_.rank, successor(step)));
  }
  lines_[step].address = *address;
  ++known_count_;
  wires_.open(step, *address);
  advance();
}

// A rank that has left sends no more blocks: whoever waits for them would wait for ever.
void Gathering::check_for_absentees() {
  for (uint32_t step = running_ ? kept_ : 0; running_ && step < lines_.size(); ++step) {
    if (lines_[step].successor == Presence::left && !lines_[step].arrived) {
      return fail(remote_error("bootstrap: rank {} left before round {}, in which others take part", successor(step), round_));
    }
  }
}

// ---- Waiting -------------------------------------------------------------------------------------------------------

// Whom this rank misses in the steps before `line_limit`. What it says about step k rests on what others say about earlier steps, so that no
// rumour goes round in a circle.
MissingRanks Gathering::awaited(uint32_t line_limit) const {
  if (!is_introduced()) {
    return missing_at_root_.value_or(MissingRanks{});
  }
  std::set<uint32_t> ranks;
  uint32_t most = 0;
  for (uint32_t step = 0; step < std::min(line_limit, known_count_); ++step) {
    const Pair& pair = lines_[step];
    const bool owes_address = step + 1 < lines_.size() && step + 1 == known_count_;
    const bool owes_blocks = step >= kept_ && !pair.arrived;
    if (pair.successor == Presence::absent || (!pair.missing && (owes_address || owes_blocks))) {
      ranks.insert(successor(step));
    } else if (pair.missing && (owes_address || owes_blocks)) {
      ranks.insert(pair.missing->listed.begin(), pair.missing->listed.end());
      most = std::max(most, pair.missing->count);
    }
  }
  MissingRanks missing{.count = std::max(most, static_cast<uint32_t>(ranks.size())), .listed = {ranks.begin(), ranks.end()}};
  missing.listed.resize(std::min(missing.listed.size(), kMaxListedRanks));
  return missing;
}

std::string Gathering::waiting_for() const {
  MissingRanks missing = awaited(static_cast<uint32_t>(lines_.size()));
  for (uint32_t step = 0; missing.count == 0 && step < lines_.size(); ++step) {
    if (introduced_ && lines_[step].predecessor == Presence::absent) {
      missing = {.count = 1, .listed = {predecessor(step)}};
    }
  }
  return missing.count == 0 ? "the other ranks" : to_string(missing);
}

void Gathering::tick() {
  if (running_ && failure_.ok() && clock_.now_ns() >= next_report_ns_) {
    next_report_ns_ = clock_.now_ns() + kReportIntervalNs;
    report(0);
  }
}

void Gathering::report(uint32_t first_step) {
  for (uint32_t step = first_step; step < lines_.size(); ++step) {
    const bool waits = sent_ <= step || (step + 1 < lines_.size() && !lines_[step].told);
    const MissingRanks missing = awaited(step);
    if (waits && missing.count > 0 && lines_[step].predecessor == Presence::up) {
      wires_.send({Line::Kind::predecessor, step}, std::make_shared<const Bytes>(encode_frame(FrameType::missing_ranks, encode_missing(missing))));
    }
  }
}

// ---- Ends ----------------------------------------------------------------------------------------------------------

void Gathering::send_all(FrameType type, const Bytes& payload, const Line* except) {
  const auto frame = std::make_shared<const Bytes>(encode_frame(type, payload));
  const auto send = [&](const Line& line) {
    if (presence(line) == Presence::up && (except == nullptr || *except != line)) {
      wires_.send(line, frame);
    }
  };
  for (uint32_t index = 0; index < roots_.size(); ++index) {
    send({Line::Kind::root, index});
  }
  for (uint32_t step = 0; step < lines_.size(); ++step) {
    send({Line::Kind::successor, step});
    send({Line::Kind::predecessor, step});
  }
}

void Gathering::fail(Status why) {
  if (failure_.ok()) {
    failure_ = std::move(why);
    send_all(FrameType::failure, encode_status(failure_));
  }
}

void Gathering::fail_from(const Line& line, Status why) {
  if (failure_.ok()) {
    failure_ = std::move(why);
    send_all(FrameType::failure, encode_status(failure_), &line);
  }
}

void Gathering::abandon(const Status& why) {
  if (failure_.ok()) {
    failure_ = aborted_error("bootstrap: rank {} gave up: {}", place_.rank, why.message());
    send_all(FrameType::abandonment, encode_status(why));
  }
}

void Gathering::leave() {
  if (!failure_.ok()) {
    return;
  }
  if (has_met()) {
    send_all(FrameType::goodbye, {});
  } else {
    abandon(remote_error("left before the ranks had met"));
  }
}

}  // namespace tutti::bootstrap
