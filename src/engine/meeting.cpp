// SPDX-License-Identifier: Apache-2.0
#include "engine/meeting.hpp"

#include <cstring>
#include <span>

namespace tutti::engine {

using transport::Outcome;

void publish(Operation& operation, LinkTable& links, uint32_t peer) {
  Meeting& meeting = operation.meetings[peer];
  if (meeting.is_published) {
    return;
  }
  const Program& program = operation.program();
  const auto address_of = [&](const std::byte* memory, uint64_t bytes) {
    return memory == nullptr ? transport::MemoryAddress{} : links[peer].publish({memory, bytes});
  };
  meeting.own.input = address_of(operation.input, program.input_bytes());
  meeting.own.output = address_of(operation.request.output, program.output_bytes());
  meeting.is_published = true;
}

Outcome take_announcement(Operation& operation, LinkTable& links, const Way& way, Trouble* trouble) {
  transport::Link& link = links[way.peer];
  transport::Frame frame;
  const Outcome outcome = link.peek(way.channel, {}, &frame);
  if (outcome == Outcome::failed) {
    *trouble = Trouble{.kind = Trouble::Kind::link_failed, .peer = way.peer};
  }
  if (outcome != Outcome::done) {
    return outcome;
  }
  const bool is_foreign = frame.header.call != operation.frame_word;
  if (is_foreign || frame.payload.size() != sizeof(Announcement)) {
    *trouble = Trouble{.kind = is_foreign ? Trouble::Kind::foreign_frame : Trouble::Kind::wrong_length,
                       .peer = way.peer,
                       .expected_bytes = sizeof(Announcement),
                       .received_bytes = frame.header.message_bytes,
                       .received_word = frame.header.call};
    return Outcome::failed;
  }
  Meeting& meeting = operation.meetings[way.peer];
  if (!meeting.has_come) {
    std::memcpy(&meeting.peers, frame.payload.data(), sizeof meeting.peers);
    meeting.has_come = true;
  }
  link.pop(way.channel);
  return Outcome::done;
}

MeetingOfAll::MeetingOfAll(Operation& operation, LinkTable& links, Trouble& trouble)
    : operation_(operation),
      links_(links),
      trouble_(trouble),
      own_rank_(operation.program().schedule().rank),
      channel_(transport::kFirstCollectiveChannel + operation.first_channel) {}

Outcome MeetingOfAll::run() {
  publish_all();
  bool is_over = true;
  for (uint32_t peer = 0; peer < operation_.meetings.size(); ++peer) {
    if (peer == own_rank_) {
      continue;
    }
    Meeting& meeting = operation_.meetings[peer];
    if (!send(peer, meeting)) {
      return Outcome::failed;
    }
    if (!meeting.has_come && take_announcement(operation_, links_, {peer, channel_}, &trouble_) == Outcome::failed) {
      return Outcome::failed;
    }
    is_over = is_over && meeting.is_sent && meeting.has_come && links_[peer].released_bytes(channel_) >= links_.taken_bytes(peer, channel_);
  }
  return is_over ? Outcome::done : Outcome::would_block;
}

bool MeetingOfAll::found_all_shared() const {
  for (uint32_t peer = 0; peer < operation_.meetings.size(); ++peer) {
    const Meeting& meeting = operation_.meetings[peer];
    if (peer != own_rank_ && (meeting.own.shares_with_all == 0 || meeting.peers.shares_with_all == 0)) {
      return false;
    }
  }
  return true;
}

void MeetingOfAll::publish_all() {
  Meeting& first = operation_.meetings[own_rank_ == 0 ? 1 : 0];
  if (first.is_published) {
    return;
  }
  bool shares_with_all = true;
  for (uint32_t peer = 0; peer < operation_.meetings.size(); ++peer) {
    if (peer != own_rank_) {
      publish(operation_, links_, peer);
      const Announcement& own = operation_.meetings[peer].own;
      shares_with_all = shares_with_all && (operation_.input == nullptr || links_[peer].is_shared(own.input)) &&
                        (operation_.request.output == nullptr || links_[peer].is_shared(own.output));
    }
  }
  for (Meeting& meeting : operation_.meetings) {
    meeting.own.shares_with_all = shares_with_all ? 1 : 0;
  }
}

bool MeetingOfAll::send(uint32_t peer, Meeting& meeting) {
  if (meeting.is_sent) {
    return true;
  }
  const transport::FrameHeader header{operation_.frame_word, sizeof(Announcement)};
  const Outcome outcome = links_[peer].try_send(channel_, header, std::as_bytes(std::span(&meeting.own, 1)));
  if (outcome == Outcome::failed) {
    trouble_ = Trouble{.kind = Trouble::Kind::link_failed, .peer = peer};
    return false;
  }
  if (outcome == Outcome::done) {
    meeting.is_sent = true;
    links_.taken_bytes(peer, channel_) += sizeof(Announcement);
  }
  return true;
}

}  // namespace tutti::engine
