// SPDX-License-Identifier: Apache-2.0
#include "comm/records.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace tutti::comm {

namespace {

using nlohmann::json;

bootstrap::Bytes pack(const json& value) {
  const std::vector<uint8_t> packed = json::to_msgpack(value);
  const auto bytes = std::as_bytes(std::span(packed));
  return {bytes.begin(), bytes.end()};
}

// Says beforehand whether a record is one that this library may have written: it has natural numbers, texts and bytes, and little nesting. The
// parser recurses, so that a hostile record could exhaust the stack, and it turns other numbers into natural ones silently.
class Screen final : public json::json_sax_t {
 public:
  bool null() override { return false; }
  bool boolean(bool) override { return false; }
  bool number_integer(number_integer_t) override { return false; }  // negative
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return false; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return ++depth_ <= kMostNested; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return --depth_, true; }
  bool start_array(size_t) override { return ++depth_ <= kMostNested; }
  bool end_array() override { return --depth_, true; }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  static constexpr uint32_t kMostNested = 4;
  uint32_t depth_ = 0;
};

// Runs `read` on the parsed record; whatever is missing or of the wrong type becomes an error naming the rank.
template <typename T, typename Read>
Result<T> unpack(const bootstrap::Bytes& bytes, uint32_t rank, Read read) {
  try {
    const auto* const begin = reinterpret_cast<const uint8_t*>(bytes.data());
    const auto* const end = begin + bytes.size();
    Screen screen;
    if (!json::sax_parse(begin, end, &screen, json::input_format_t::msgpack)) {
      return tl::make_unexpected(remote_error("rank {} sent a record of {} bytes that makes no sense", rank, bytes.size()));
    }
    T record;
    read(json::from_msgpack(begin, end), record);
    return record;
  } catch (const json::exception& error) {
    return tl::make_unexpected(remote_error("rank {} sent a record that makes no sense: {}", rank, error.what()));
  }
}

// A number too large for any processor stays too large.
uint32_t processor(const json& value) {
  return static_cast<uint32_t>(std::min<uint64_t>(value.get<uint64_t>(), topology::kMostProcessors));
}

// Anything unknown counts as unreachable.
transport::PeerState peer_state(uint32_t number) {
  using transport::PeerState;
  return number == static_cast<uint32_t>(PeerState::connecting)  ? PeerState::connecting
         : number == static_cast<uint32_t>(PeerState::connected) ? PeerState::connected
                                                                 : PeerState::unreachable;
}

// Far more than there are, of names that plug-ins may have.
constexpr size_t kMostTransports = 64;
constexpr size_t kMostTransportNameBytes = 64;

json to_record(const TransportOffers& offers) {
  json record = json::object();
  for (const auto& [transport, offer] : offers) {
    record[transport] = {offer.preference, json::binary(offer.address)};
  }
  return record;
}

void from_record(const json& record, TransportOffers& offers) {
  for (const auto& [transport, offer] : record.items()) {
    offers[transport] = {.preference = static_cast<uint32_t>(std::min<uint64_t>(offer.at(0).get<uint64_t>(), kMostPreference)),
                         .address = offer.at(1).get_binary()};
  }
}

Status check_offers(const TransportOffers& offers, uint32_t rank) {
  if (offers.size() > kMostTransports) {
    return remote_error("rank {} offers {} transports", rank, offers.size());
  }
  for (const auto& [transport, offer] : offers) {
    if (transport.size() > kMostTransportNameBytes || offer.address.size() > transport::kMaxAddressBytes) {
      return remote_error("rank {} offers a transport whose name has {} bytes, and its address {}", rank, transport.size(), offer.address.size());
    }
  }
  return {};
}

}  // namespace

bootstrap::Bytes encode(const TransportOffers& record) { return pack(to_record(record)); }

Result<TransportOffers> decode_offers(const bootstrap::Bytes& bytes, uint32_t rank) {
  auto result = unpack<TransportOffers>(bytes, rank, [](const json& value, TransportOffers& offers) { from_record(value, offers); });
  if (result) {
    TUTTI_UNEXPECTED_IF_ERROR(check_offers(*result, rank));
  }
  return result;
}

bootstrap::Bytes encode(const Introduction& record) {
  return pack({{"version", record.version},
               {"ranks", record.rank_count},
               {"name", record.name},
               {"transports", record.transports},
               {"algorithms", record.algorithms},
               {"files", record.algorithm_files},
               {"topology", record.topology},
               {"slice", record.slice_bytes},
               {"host", record.host_id},
               {"cores", record.allowed_cores},
               {"place", {record.place.package, record.place.numa_node, record.place.cache}},
               {"memory", {record.memory.copy_bytes_per_s, record.memory.fetch_bytes_per_s}},
               {"offers", to_record(record.offers)}});
}

Result<Introduction> decode_introduction(const bootstrap::Bytes& bytes, uint32_t rank) {
  auto result = unpack<Introduction>(bytes, rank, [](const json& value, Introduction& record) {
    value.at("version").get_to(record.version);
    value.at("ranks").get_to(record.rank_count);
    value.at("name").get_to(record.name);
    value.at("transports").get_to(record.transports);
    value.at("algorithms").get_to(record.algorithms);
    value.at("files").get_to(record.algorithm_files);
    value.at("topology").get_to(record.topology);
    value.at("slice").get_to(record.slice_bytes);
    value.at("host").get_to(record.host_id);
    value.at("cores").get_to(record.allowed_cores);
    from_record(value.at("offers"), record.offers);
    const json& place = value.at("place");
    record.place = {.package = processor(place.at(0)), .numa_node = processor(place.at(1)), .cache = processor(place.at(2))};
    const json& memory = value.at("memory");
    record.memory = topology::rounded({.copy_bytes_per_s = memory.at(0).get<uint64_t>(), .fetch_bytes_per_s = memory.at(1).get<uint64_t>()});
  });
  if (result) {
    TUTTI_UNEXPECTED_IF_ERROR(check_offers(result->offers, rank));
    for (const uint32_t unit : {result->place.package, result->place.numa_node, result->place.cache}) {
      if (unit >= topology::kMostProcessors) {
        return tl::make_unexpected(remote_error("rank {} says that it runs in a unit of processor {} or above", rank, topology::kMostProcessors));
      }
    }
  }
  return result;
}

bootstrap::Bytes encode(const Reach& record) {
  json peers = json::array();
  for (const Reach::Peer& peer : record.peers) {
    peers.push_back({static_cast<uint32_t>(peer.state), peer.latency_ns, peer.bandwidth_bytes_per_s, peer.source, peer.reaches_memory ? 1u : 0u,
                     peer.copies_out ? 1u : 0u});
  }
  return pack(peers);
}

Result<Reach> decode_reach(const bootstrap::Bytes& bytes, uint32_t rank, size_t peer_count) {
  auto result = unpack<Reach>(bytes, rank, [](const json& value, Reach& record) {
    for (const json& peer : value) {
      record.peers.push_back({.state = peer_state(peer.at(0).get<uint32_t>()),
                              .latency_ns = std::min(peer.at(1).get<uint64_t>(), transport::kMostLatency_ns),
                              .bandwidth_bytes_per_s = std::min(peer.at(2).get<uint64_t>(), transport::kMostBandwidth_bytes_per_s),
                              .source = peer.at(3).get<std::string>(),
                              .reaches_memory = peer.at(4).get<uint32_t>() == 1,
                              .copies_out = peer.at(5).get<uint32_t>() == 1});
    }
  });
  if (result && result->peers.size() != peer_count) {
    return tl::make_unexpected(remote_error("rank {} sent a record of {} peers, expected {}", rank, result->peers.size(), peer_count));
  }
  return result;
}

bootstrap::Bytes encode(const Agreement& record) { return pack({{"planner", record.planner_hash}}); }

Result<Agreement> decode_agreement(const bootstrap::Bytes& bytes, uint32_t rank) {
  return unpack<Agreement>(bytes, rank, [](const json& value, Agreement& record) { value.at("planner").get_to(record.planner_hash); });
}

}  // namespace tutti::comm
