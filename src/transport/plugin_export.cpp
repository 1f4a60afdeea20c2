// SPDX-License-Identifier: Apache-2.0
#include "transport/plugin_export.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "base/settings.hpp"
#include "transport/plugin_adaptor.hpp"

namespace tutti::transport {

namespace {

class HostClock final : public Clock {
 public:
  explicit HostClock(const tuttiTransportContext_v1_t& context) : context_(context) {}
  uint64_t now_ns() const override { return context_.nowNs(context_.host); }

 private:
  const tuttiTransportContext_v1_t& context_;
};

// Of one peer. Failures of its own are exceptions, which must not leave.
struct ExportedLink {
  Link* link = nullptr;  // the transport's
  Status failure;
};

struct ExportedTransport {
  ExportedTransport(const TransportType& type, const tuttiTransportContext_v1_t& context)
      : usual_preference(type.preference), clock(context), links(context.rankCount) {}

  const int usual_preference;
  HostClock clock;
  Settings settings;
  Secret secret{};
  std::vector<ExportedLink> links;  // by peer
  std::unique_ptr<Transport> transport;
};

ExportedTransport& in(tuttiPluginTransport_t* transport) { return *reinterpret_cast<ExportedTransport*>(transport); }
ExportedLink& in(tuttiPluginLink_t* link) { return *reinterpret_cast<ExportedLink*>(link); }

void put_text(const std::string& from, char* text, size_t capacity) {
  if (text != nullptr && capacity > 0) {
    const size_t length = std::min(from.size(), capacity - 1);
    std::memcpy(text, from.data(), length);
    text[length] = '\0';
  }
}

// What `function` returns; after an exception `fallback`, and the link has failed.
template <typename T, typename Function>
T guarded_link(tuttiPluginLink_t* link, T fallback, Function function) noexcept {
  try {
    return function(*in(link).link);
  } catch (const std::exception& error) {
    in(link).failure = internal_error("an exception: {}", error.what());
  } catch (...) {
    in(link).failure = internal_error("an exception");
  }
  return fallback;
}

template <typename T, typename Function>
T guarded_transport(tuttiPluginTransport_t* transport, T fallback, Function function) noexcept {
  try {
    return function(*in(transport).transport);
  } catch (const std::exception& error) {
    log::error("an exception in a transport: {}", error.what());
  } catch (...) {
    log::error("an exception in a transport");
  }
  return fallback;
}

tuttiTransportOutcome_t to_table(Outcome outcome) {
  return outcome == Outcome::done          ? tuttiTransportDone
         : outcome == Outcome::would_block ? tuttiTransportWouldBlock
                                           : tuttiTransportFailed;
}

FrameHeader from_table(const tuttiFrameHeader_t* header) { return {.call = header->call, .message_bytes = header->messageBytes}; }
MemoryAddress from_table(const tuttiMemoryAddress_t& address) { return {.window = address.window, .offset = address.offset}; }
std::span<const std::byte> payload_span(const void* payload, size_t bytes) { return {static_cast<const std::byte*>(payload), bytes}; }

constexpr tuttiLinkFunctions_v1_t kExportedLinks{
    .size = sizeof(tuttiLinkFunctions_v1_t),
    .trySend = [](tuttiPluginLink_t* link, uint32_t channel, const tuttiFrameHeader_t* header, const void* payload, size_t bytes) {
      return guarded_link(link, tuttiTransportFailed,
                          [&](Link& own) { return to_table(own.try_send(channel, from_table(header), payload_span(payload, bytes))); });
    },
    .releasedBytes = [](tuttiPluginLink_t* link, uint32_t channel) {
      return guarded_link(link, uint64_t{0}, [&](Link& own) { return own.released_bytes(channel); });
    },
    .peek = [](tuttiPluginLink_t* link, uint32_t channel, void* landing, size_t landing_bytes, tuttiFrame_t* frame) {
      return guarded_link(link, tuttiTransportFailed, [&](Link& own) {
        Frame arrived;
        const Outcome outcome = own.peek(channel, {static_cast<std::byte*>(landing), landing_bytes}, &arrived);
        *frame = {.header = {.call = arrived.header.call, .messageBytes = arrived.header.message_bytes},
                  .payload = arrived.payload.data(),
                  .payloadBytes = arrived.payload.size()};
        return to_table(outcome);
      });
    },
    .pop = [](tuttiPluginLink_t* link, uint32_t channel) { guarded_link(link, 0, [&](Link& own) { return own.pop(channel), 0; }); },
    .letGo = [](tuttiPluginLink_t* link) { guarded_link(link, 0, [&](Link& own) { return own.let_go(), 0; }); },
    .failure = [](tuttiPluginLink_t* link, char* text, size_t capacity) {
      return guarded_link(link, tuttiInternalError, [&](Link& own) {
        const Status& failure = in(link).failure.ok() ? own.failure() : in(link).failure;
        put_text(failure.message(), text, capacity);
        return failure.code();
      });
    },
    .maxFrameBytes = [](tuttiPluginLink_t* link) { return guarded_link(link, size_t{0}, [](Link& own) { return own.max_frame_bytes(); }); },
    .estimate = [](tuttiPluginLink_t* link, tuttiLinkEstimate_t* estimate) {
      guarded_link(link, 0, [&](Link& own) {
        const LinkEstimate found = own.estimate();
        estimate->latencyNs = found.latency_ns;
        estimate->bandwidthBytesPerS = found.bandwidth_bytes_per_s;
        estimate->reachesMemory = found.reaches_memory ? 1 : 0;
        estimate->copiesOut = found.copies_out ? 1 : 0;
        put_text(std::string(found.source), estimate->source, sizeof estimate->source);
        return 0;
      });
    },
    .describe = [](tuttiPluginLink_t* link, char* text, size_t capacity) {
      guarded_link(link, 0, [&](Link& own) { return put_text(own.describe(), text, capacity), 0; });
    },
    .trySendInGang = [](tuttiPluginLink_t* link, uint32_t channel, const tuttiFrameHeader_t* header, const void* payload, size_t bytes,
                        const tuttiGang_t* gang) {
      return guarded_link(link, tuttiTransportFailed, [&](Link& own) {
        return to_table(own.try_send_in_gang(channel, from_table(header), payload_span(payload, bytes),
                                             Gang{.number = gang->number, .message_count = gang->messageCount}));
      });
    },
    .publish = [](tuttiPluginLink_t* link, const void* memory, size_t bytes) {
      return guarded_link(link, tuttiMemoryAddress_t{}, [&](Link& own) -> tuttiMemoryAddress_t {
        const MemoryAddress address = own.publish(payload_span(memory, bytes));
        return {.window = address.window, .offset = address.offset};
      });
    },
    .isShared = [](tuttiPluginLink_t* link, tuttiMemoryAddress_t address) {
      return guarded_link(link, 0, [&](Link& own) { return own.is_shared(from_table(address)) ? 1 : 0; });
    },
    .share = [](tuttiPluginLink_t* link, tuttiMemoryAddress_t address, uint64_t bytes, void** memory) {
      return guarded_link(link, tuttiTransportFailed, [&](Link& own) {
        std::byte* shared = nullptr;
        const Outcome outcome = own.share(from_table(address), bytes, &shared);
        *memory = shared;
        return to_table(outcome);
      });
    },
    .enter = [](tuttiPluginLink_t* link) { return guarded_link(link, 0, [](Link& own) { return own.enter() ? 1 : 0; }); },
    .leave = [](tuttiPluginLink_t* link) { guarded_link(link, 0, [](Link& own) { return own.leave(), 0; }); },
    .fetch = [](tuttiPluginLink_t* link, tuttiMemoryAddress_t address, void* target, size_t bytes) {
      return guarded_link(link, tuttiTransportFailed,
                          [&](Link& own) { return to_table(own.fetch(from_table(address), {static_cast<std::byte*>(target), bytes})); });
    },
};

// The host's log, once there is a host. Written by create_exported(), read by all threads; every host gives the same.
std::atomic<decltype(tuttiTransportContext_v1_t::logs)> host_logs = nullptr;
std::atomic<decltype(tuttiTransportContext_v1_t::log)> host_log = nullptr;

tuttiLogLevel_t to_table(log::Level level) {
  return level == log::Level::trace  ? tuttiLogTrace
         : level == log::Level::info ? tuttiLogInfo
         : level == log::Level::warn ? tuttiLogWarn
                                     : tuttiLogError;
}

constexpr log::Receiver kHostReceiver{
    .enabled = [](log::Level level) { return host_logs.load(std::memory_order_relaxed)(to_table(level)) != 0; },
    .write = [](log::Level level, std::string_view line) {
      host_log.load(std::memory_order_relaxed)(to_table(level), std::string(line).c_str());
    }};

// A host of the same copy of this library has the log that there is.
void log_to(const tuttiTransportContext_v1_t& context) {
  if (context.log != &log_for_plugin) {
    host_logs.store(context.logs, std::memory_order_relaxed);
    host_log.store(context.log, std::memory_order_relaxed);
    log::redirect(kHostReceiver);
  }
}

Status create_from(const TransportType& type, const tuttiTransportContext_v1_t& context, tuttiPluginTransport_t** transport) {
  log_to(context);
  auto made = std::make_unique<ExportedTransport>(type, context);
  for (const SettingRow& row : setting_rows()) {
    const char* const value = context.setting(context.host, std::string(row.variable).c_str());
    if (value != nullptr && *value != '\0') {
      TUTTI_RETURN_IF_ERROR(row.form.assign(made->settings, row.variable, value));
    }
  }
  std::memcpy(made->secret.data(), context.secret, made->secret.size());
  auto created = type.create(TransportContext{.rank = context.rank,
                                              .rank_count = context.rankCount,
                                              .communicator_id = context.communicatorId,
                                              .secret = made->secret,
                                              .host_id = context.hostId,
                                              .clock = made->clock,
                                              .settings = made->settings});
  if (!created) {
    return created.error();
  }
  made->transport = std::move(*created);
  *transport = reinterpret_cast<tuttiPluginTransport_t*>(made.release());
  return {};
}

}  // namespace

tuttiResult_t create_exported(const TransportType& type, const tuttiTransportContext_v1_t* context, tuttiPluginTransport_t** transport, char* text,
                              size_t capacity) {
  try {
    const Status created = create_from(type, *context, transport);
    put_text(created.message(), text, capacity);
    return created.code();
  } catch (const std::exception& error) {
    put_text(error.what(), text, capacity);
  } catch (...) {
    put_text("an exception", text, capacity);
  }
  return tuttiInternalError;
}

tuttiTransportPlugin_v1_t make_plugin_table(const TransportType& type, PluginCreate create) {
  return {.size = sizeof(tuttiTransportPlugin_v1_t),
          .version = TUTTI_TRANSPORT_PLUGIN_VERSION,
          .name = type.name.data(),
          .preference = type.preference,
          .automatic = type.automatic ? 1 : 0,
          .create = create,
          .destroy = [](tuttiPluginTransport_t* transport) { delete &in(transport); },
          .address = [](tuttiPluginTransport_t* transport, void* address, size_t capacity) {
            return guarded_transport(transport, SIZE_MAX, [&](Transport& own) {
              const std::vector<std::byte> bytes = own.address();
              if (!bytes.empty() && bytes.size() <= capacity) {
                std::memcpy(address, bytes.data(), bytes.size());
              }
              return bytes.size();
            });
          },
          .connect = [](tuttiPluginTransport_t* transport, uint32_t peer, const void* address, size_t bytes) {
            guarded_transport(transport, 0, [&](Transport& own) { return own.connect(peer, payload_span(address, bytes)), 0; });
          },
          .disconnect = [](tuttiPluginTransport_t* transport, uint32_t peer) {
            guarded_transport(transport, 0, [&](Transport& own) { return own.disconnect(peer), 0; });
            in(transport).links[peer] = {};
          },
          .state = [](tuttiPluginTransport_t* transport, uint32_t peer) {
            return guarded_transport(transport, tuttiPeerUnreachable, [&](Transport& own) {
              const PeerState state = own.state(peer);
              return state == PeerState::connecting  ? tuttiPeerConnecting
                     : state == PeerState::connected ? tuttiPeerConnected
                                                     : tuttiPeerUnreachable;
            });
          },
          .reason = [](tuttiPluginTransport_t* transport, uint32_t peer, char* text, size_t capacity) {
            guarded_transport(transport, 0, [&](Transport& own) { return put_text(own.reason(peer), text, capacity), 0; });
          },
          .link = [](tuttiPluginTransport_t* transport, uint32_t peer) {
            return guarded_transport(transport, static_cast<tuttiPluginLink_t*>(nullptr), [&](Transport& own) {
              ExportedLink& link = in(transport).links[peer];
              link.link = own.link(peer);
              return link.link == nullptr ? nullptr : reinterpret_cast<tuttiPluginLink_t*>(&link);
            });
          },
          .poll = [](tuttiPluginTransport_t* transport) {
            return guarded_transport(transport, size_t{0}, [](Transport& own) { return own.poll(); });
          },
          .links = &kExportedLinks,
          .preferenceOf = [](tuttiPluginTransport_t* transport) {
            const int usual = in(transport).usual_preference;
            return guarded_transport(transport, usual, [&](Transport& own) { return own.preference().value_or(usual); });
          }};
}

}  // namespace tutti::transport
