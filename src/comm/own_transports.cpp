// SPDX-License-Identifier: Apache-2.0
#include "comm/own_transports.hpp"

#include <algorithm>
#include <map>

#include "base/log.hpp"

namespace tutti::comm {

namespace {

// Stands for a transport that only other ranks have.
class AbsentTransport final : public transport::Transport {
 public:
  explicit AbsentTransport(std::string why) : why_(std::move(why)) {}

  std::vector<std::byte> address() const override { return {}; }
  void connect(uint32_t, std::span<const std::byte>) override {}
  void disconnect(uint32_t) override {}
  transport::PeerState state(uint32_t) const override { return transport::PeerState::unreachable; }
  std::string reason(uint32_t) const override { return why_; }
  transport::Link* link(uint32_t) override { return nullptr; }
  size_t poll() override { return 0; }

 private:
  const std::string why_;
};

uint32_t bounded_preference(int preference) { return static_cast<uint32_t>(std::clamp(preference, 0, static_cast<int>(kMostPreference))); }

}  // namespace

OwnTransports::OwnTransports(std::vector<NamedTransport> made) {
  uint32_t preference = kMostPreference;
  for (NamedTransport& one : made) {
    members_.push_back({.name = std::move(one.name), .preference = preference, .transport = std::move(one.transport)});
    preference -= preference > 0 ? 1 : 0;
  }
}

const OwnTransports::Member* OwnTransports::find(std::string_view name) const {
  const auto found = std::ranges::find(members_, name, &Member::name);
  return found == members_.end() ? nullptr : &*found;
}

Status OwnTransports::add(const Selection& selection, const transport::TransportContext& context) {
  left_out_.insert(left_out_.end(), selection.left_out.begin(), selection.left_out.end());
  for (const TransportCandidate& candidate : selection.candidates) {
    if (find(candidate.name) != nullptr) {
      continue;  // a file of TUTTI_TRANSPORT_PLUGINS comes before an installed one
    }
    auto made = candidate.create(context);
    if (made) {
      const int preference = (*made)->preference().value_or(candidate.preference);
      members_.push_back({.name = candidate.name, .preference = bounded_preference(preference), .transport = std::move(*made)});
    } else if (made.error().code() == tuttiInvalidArgument) {
      return Status(made.error().code(), fmt::format("transport {}: {}", candidate.name, made.error().message()));
    } else {
      log::info("rank {}: no transport {}: {}", context.rank, candidate.name, made.error().message());
      left_out_.push_back({candidate.name, made.error().message()});
    }
  }
  return {};
}

TransportOffers OwnTransports::offers() const {
  TransportOffers offers;
  for (const Member& member : members_) {
    TransportOffer& offer = offers[member.name];
    offer.preference = member.preference;
    std::ranges::transform(member.transport->address(), std::back_inserter(offer.address),
                           [](std::byte byte) { return std::to_integer<uint8_t>(byte); });
  }
  return offers;
}

std::vector<NamedTransport> OwnTransports::arrange(const std::vector<Introduction>& introductions) {
  struct Place {
    std::string name;
    uint32_t preference;
  };
  std::map<std::string, uint32_t> preferences;
  for (const Introduction& introduction : introductions) {
    for (const auto& [name, offer] : introduction.offers) {
      uint32_t& preference = preferences[name];
      preference = std::max(preference, offer.preference);
    }
  }
  std::vector<Place> places;
  std::ranges::transform(preferences, std::back_inserter(places), [](const auto& entry) { return Place{entry.first, entry.second}; });
  std::ranges::stable_sort(places, std::ranges::greater{}, &Place::preference);

  std::vector<NamedTransport> arranged;
  for (Place& place : places) {
    const auto own = std::ranges::find(members_, place.name, &Member::name);
    if (own != members_.end()) {
      arranged.push_back({std::move(place.name), std::move(own->transport)});
      continue;
    }
    const auto known = std::ranges::find(left_out_, place.name, &LeftOut::name);
    arranged.push_back({place.name, std::make_unique<AbsentTransport>(known == left_out_.end() ? "this rank has none" : known->why)});
  }
  members_.clear();
  return arranged;
}

}  // namespace tutti::comm
