// SPDX-License-Identifier: Apache-2.0
#include "transport/plugin_adaptor.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <map>
#include <utility>

#include "base/log.hpp"
#include "transport/plugin_link.hpp"

namespace tutti::transport {

static_assert(TUTTI_TRANSPORT_CHANNELS == kChannelCount && TUTTI_TRANSPORT_SECRET_BYTES == kSecretBytes &&
              TUTTI_TRANSPORT_MOST_ADDRESS_BYTES == kMaxAddressBytes);

namespace {

log::Level log_level_of(tuttiLogLevel_t level) {
  switch (level) {
    case tuttiLogTrace: return log::Level::trace;
    case tuttiLogInfo: return log::Level::info;
    case tuttiLogWarn: return log::Level::warn;
    case tuttiLogError: break;
  }
  return log::Level::error;
}

int plugin_logs(tuttiLogLevel_t level) { return log::enabled(log_level_of(level)) ? 1 : 0; }

// What a plug-in's transport is given to look at.
class PluginHost {
 public:
  explicit PluginHost(const TransportContext& context) : clock_(context.clock), secret_(context.secret), host_id_(context.host_id) {
    for (const SettingRow& row : setting_rows()) {
      settings_.emplace(row.variable, row.form.text(context.settings));
    }
    context_ = {.size = sizeof context_,
                .rank = context.rank,
                .rankCount = context.rank_count,
                .communicatorId = context.communicator_id,
                .secret = reinterpret_cast<const unsigned char*>(secret_.data()),
                .hostId = host_id_.c_str(),
                .host = this,
                .nowNs = [](const void* host) { return static_cast<const PluginHost*>(host)->clock_.now_ns(); },
                .setting = [](const void* host, const char* name) { return static_cast<const PluginHost*>(host)->setting(name); },
                .logs = &plugin_logs,
                .log = &log_for_plugin};
  }
  PluginHost(const PluginHost&) = delete;
  PluginHost& operator=(const PluginHost&) = delete;

  const tuttiTransportContext_v1_t& context() const { return context_; }

 private:
  const char* setting(const char* name) const {
    const auto found = settings_.find(std::string_view(name));
    return found == settings_.end() ? nullptr : found->second.c_str();
  }

  const Clock& clock_;
  const Secret& secret_;
  const std::string host_id_;
  std::map<std::string, std::string, std::less<>> settings_;
  tuttiTransportContext_v1_t context_;
};

class PluginTransport final : public Transport {
 public:
  PluginTransport(std::shared_ptr<const PluginTables> tables, const TransportContext& context)
      : tables_(std::move(tables)), host_(context), peers_(context.rank_count) {}
  ~PluginTransport() override;

  Status open();

  std::vector<std::byte> address() const override { return address_; }
  void connect(uint32_t peer, std::span<const std::byte> peer_address) override;
  void disconnect(uint32_t peer) override;
  PeerState state(uint32_t peer) const override;
  std::string reason(uint32_t peer) const override;
  Link* link(uint32_t peer) override;
  std::optional<int> preference() const override;
  size_t poll() override;

 private:
  struct Peer {
    std::unique_ptr<PluginLink> link;
    std::string fault;  // what the plug-in has done wrong; the peer is unreachable by it
  };

  // The plug-in's answer, or, after an exception, `fallback`.
  template <typename T, typename Function>
  T guarded(T fallback, Function function) const;
  void take_link(uint32_t peer) const;

  const std::shared_ptr<const PluginTables> tables_;
  const tuttiTransportPlugin_v1_t& type_ = tables_->type;
  const PluginHost host_;
  tuttiPluginTransport_t* transport_ = nullptr;
  std::vector<std::byte> address_;
  mutable std::vector<Peer> peers_;
};

template <typename T, typename Function>
T PluginTransport::guarded(T fallback, Function function) const {
  try {
    return function();
  } catch (const std::exception& error) {
    log::error("plug-in {}: an exception: {}", tables_->name, error.what());
  } catch (...) {
    log::error("plug-in {}: an exception", tables_->name);
  }
  return fallback;
}

PluginTransport::~PluginTransport() {
  peers_.clear();
  if (transport_ != nullptr) {
    guarded(0, [&] { return type_.destroy(transport_), 0; });
  }
}

Status PluginTransport::open() {
  std::array<char, TUTTI_TRANSPORT_TEXT_BYTES> text{};
  const tuttiResult_t result =
      guarded(tuttiInternalError, [&] { return type_.create(&host_.context(), &transport_, text.data(), text.size()); });
  if (result != tuttiSuccess) {
    transport_ = nullptr;
    const std::string why = plugin_text(text);
    return Status(result > tuttiSuccess && result < tuttiNumResults ? result : tuttiInternalError, why.empty() ? "create gives no reason" : why);
  }
  if (transport_ == nullptr) {
    return internal_error("create succeeded without a transport");
  }
  address_.resize(kMaxAddressBytes);
  const size_t bytes = guarded(SIZE_MAX, [&] { return type_.address(transport_, address_.data(), address_.size()); });
  if (bytes > kMaxAddressBytes) {
    return internal_error("its address has {} bytes, more than {}", bytes, kMaxAddressBytes);
  }
  address_.resize(bytes);
  return {};
}

void PluginTransport::connect(uint32_t peer, std::span<const std::byte> peer_address) {
  guarded(0, [&] { return type_.connect(transport_, peer, peer_address.data(), peer_address.size()), 0; });
}

void PluginTransport::disconnect(uint32_t peer) {
  guarded(0, [&] { return type_.disconnect(transport_, peer), 0; });
  peers_[peer] = {};
}

PeerState PluginTransport::state(uint32_t peer) const {
  Peer& known = peers_[peer];
  if (!known.fault.empty()) {
    return PeerState::unreachable;
  }
  if (known.link != nullptr) {
    return PeerState::connected;
  }
  const tuttiPeerState_t state = guarded(tuttiPeerUnreachable, [&] { return type_.state(transport_, peer); });
  if (state == tuttiPeerConnected) {
    take_link(peer);
    return known.link != nullptr ? PeerState::connected : PeerState::unreachable;
  }
  if (state != tuttiPeerConnecting && state != tuttiPeerUnreachable) {
    known.fault = fmt::format("the plug-in says that the peer's state is {}", static_cast<int>(state));
  }
  return state == tuttiPeerConnecting ? PeerState::connecting : PeerState::unreachable;
}

void PluginTransport::take_link(uint32_t peer) const {
  tuttiPluginLink_t* const link = guarded(static_cast<tuttiPluginLink_t*>(nullptr), [&] { return type_.link(transport_, peer); });
  if (link == nullptr) {
    peers_[peer].fault = "the plug-in is connected and has no link";
    return;
  }
  const auto largest = guarded(Result<size_t>(0), [&] { return PluginLink::largest_frame_of(*tables_, link); });
  if (!largest || *largest == 0) {
    peers_[peer].fault = largest ? "the plug-in has thrown an exception" : largest.error().message();
    return;
  }
  peers_[peer].link = std::make_unique<PluginLink>(*tables_, link, *largest);
}

std::string PluginTransport::reason(uint32_t peer) const {
  if (!peers_[peer].fault.empty()) {
    return peers_[peer].fault;
  }
  std::array<char, TUTTI_TRANSPORT_TEXT_BYTES> text{};
  guarded(0, [&] { return type_.reason(transport_, peer, text.data(), text.size()), 0; });
  return plugin_text(text);
}

Link* PluginTransport::link(uint32_t peer) { return state(peer) == PeerState::connected ? peers_[peer].link.get() : nullptr; }

std::optional<int> PluginTransport::preference() const {
  if (type_.preferenceOf == nullptr) {
    return std::nullopt;
  }
  return guarded(type_.preference, [&] { return type_.preferenceOf(transport_); });
}

size_t PluginTransport::poll() {
  return guarded(size_t{0}, [&] { return type_.poll(transport_); });
}

// As much of the plug-in's struct as both know; the rest is zero.
template <typename T>
T known_part(const T& given) {
  T own{};
  std::memcpy(&own, &given, std::min(given.size, sizeof own));
  own.size = sizeof own;
  return own;
}

bool is_transport_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_';
  });
}

// Null if all functions are there.
const char* missing_function(const tuttiTransportPlugin_v1_t& type, const tuttiLinkFunctions_v1_t& links) {
  const std::pair<bool, const char*> functions[] = {{type.create == nullptr, "create"},
                                                    {type.destroy == nullptr, "destroy"},
                                                    {type.address == nullptr, "address"},
                                                    {type.connect == nullptr, "connect"},
                                                    {type.disconnect == nullptr, "disconnect"},
                                                    {type.state == nullptr, "state"},
                                                    {type.reason == nullptr, "reason"},
                                                    {type.link == nullptr, "link"},
                                                    {type.poll == nullptr, "poll"},
                                                    {links.trySend == nullptr, "links->trySend"},
                                                    {links.releasedBytes == nullptr, "links->releasedBytes"},
                                                    {links.peek == nullptr, "links->peek"},
                                                    {links.pop == nullptr, "links->pop"},
                                                    {links.letGo == nullptr, "links->letGo"},
                                                    {links.failure == nullptr, "links->failure"},
                                                    {links.maxFrameBytes == nullptr, "links->maxFrameBytes"},
                                                    {links.estimate == nullptr, "links->estimate"},
                                                    {links.describe == nullptr, "links->describe"}};
  const auto* const found = std::ranges::find_if(functions, [](const auto& function) { return function.first; });
  return found == std::end(functions) ? nullptr : found->second;
}

}  // namespace

void log_for_plugin(tuttiLogLevel_t level, const char* line) {
  try {
    if (line != nullptr && plugin_logs(level) != 0) {
      log::write(log_level_of(level), plugin_text({line, strnlen(line, TUTTI_TRANSPORT_TEXT_BYTES)}));
    }
  } catch (...) {  // no memory for the line
  }
}

Result<PluginType> PluginType::adapt(const tuttiTransportPlugin_v1_t* table) {
  if (table == nullptr) {
    return tl::make_unexpected(invalid_usage("it offers no transport"));
  }
  if (table->size < offsetof(tuttiTransportPlugin_v1_t, preferenceOf)) {
    return tl::make_unexpected(invalid_usage("its table has {} bytes, fewer than version {} has", table->size, TUTTI_TRANSPORT_PLUGIN_VERSION));
  }
  if (table->version != TUTTI_TRANSPORT_PLUGIN_VERSION) {
    return tl::make_unexpected(
        invalid_usage("it is made for version {} of the interface, this is version {}", table->version, TUTTI_TRANSPORT_PLUGIN_VERSION));
  }
  if (table->links == nullptr || table->links->size < offsetof(tuttiLinkFunctions_v1_t, trySendInGang)) {
    return tl::make_unexpected(invalid_usage("its links have a table of {} bytes, fewer than version {} has",
                                             table->links == nullptr ? 0 : table->links->size, TUTTI_TRANSPORT_PLUGIN_VERSION));
  }
  PluginTables tables{.type = known_part(*table), .links = known_part(*table->links), .name = {}, .reaches_memory = false};
  if (table->name != nullptr) {
    tables.name = plugin_text({table->name, strnlen(table->name, TUTTI_TRANSPORT_NAME_BYTES)});
  }
  if (!is_transport_name(tables.name) || tables.name.size() >= TUTTI_TRANSPORT_NAME_BYTES) {
    return tl::make_unexpected(invalid_usage("its transport is called \"{}\", which is not 1 to {} of a-z, 0-9 and _", tables.name,
                                             TUTTI_TRANSPORT_NAME_BYTES - 1));
  }
  if (const char* const missing = missing_function(tables.type, tables.links); missing != nullptr) {
    return tl::make_unexpected(invalid_usage("{} is NULL", missing));
  }
  const tuttiLinkFunctions_v1_t& links = tables.links;
  tables.reaches_memory = links.publish != nullptr && links.isShared != nullptr && links.share != nullptr && links.enter != nullptr &&
                          links.leave != nullptr && links.fetch != nullptr;
  return PluginType(std::move(tables));
}

Result<std::unique_ptr<Transport>> PluginType::create(const TransportContext& context) const {
  auto transport = std::make_unique<PluginTransport>(tables_, context);
  TUTTI_UNEXPECTED_IF_ERROR(transport->open());
  return transport;
}

}  // namespace tutti::transport
