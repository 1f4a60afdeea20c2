// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/providers.hpp"

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>

#include <fmt/ranges.h>

#include "base/interfaces.hpp"

namespace tutti::transports::ofi {

namespace {

constexpr std::array<std::string_view, 2> kNetworkProviders{"efa", "verbs"};
// Of providers on sockets, whose interfaces TUTTI_SOCKET_IFNAME chooses, the one that is used where software will do.
constexpr std::string_view kSoftwareProvider = "tcp";

struct FreeList {
  void operator()(fi_info* list) const { fi_freeinfo(list); }
};

std::shared_ptr<fi_info> ask_libfabric() {
  const std::unique_ptr<fi_info, FreeList> hints(fi_allocinfo());
  if (hints == nullptr) {
    return nullptr;
  }
  hints->caps = FI_TAGGED | FI_RMA | FI_SEND | FI_RECV | FI_READ | FI_REMOTE_READ;
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;
  // Providers that make progress by themselves take it as well; others need no thread and no locks then.
  hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
  fi_info* list = nullptr;
  if (fi_getinfo(FI_VERSION(1, 14), nullptr, nullptr, 0, hints.get(), &list) != 0) {
    return nullptr;
  }
  return {list, FreeList()};
}

// What libfabric has does not change in the life of a process.
const std::shared_ptr<fi_info>& everything_offered() {
  static const std::shared_ptr<fi_info> list = ask_libfabric();
  return list;
}

std::optional<SocketAddress> source_address(const fi_info& info) {
  const auto format = info.addr_format;
  if (info.src_addr == nullptr || (format != FI_SOCKADDR && format != FI_SOCKADDR_IN && format != FI_SOCKADDR_IN6)) {
    return std::nullopt;
  }
  auto address = SocketAddress::from_sockaddr(static_cast<const sockaddr*>(info.src_addr), static_cast<socklen_t>(info.src_addrlen));
  if (!address) {
    return std::nullopt;
  }
  address->set_port(0);
  return *address;
}

bool is_network_provider(std::string_view provider) { return std::ranges::find(kNetworkProviders, core_of(provider)) != kNetworkProviders.end(); }

Nearness::Place place_of(const fi_info& info, const Nearness& nearness) {
  const bool is_named = info.nic != nullptr && info.nic->device_attr != nullptr && info.nic->device_attr->name != nullptr;
  return is_named ? nearness.of_adapter(info.nic->device_attr->name) : Nearness::Place::unknown;
}

// Smaller is better.
size_t order_of(const Offer& offer) { return offer.interface_order; }

}  // namespace

std::span<const std::string_view> network_providers() { return kNetworkProviders; }

// The kernel lists adapters of both there.
bool has_adapters() {
  std::error_code error;
  const std::filesystem::directory_iterator adapters("/sys/class/infiniband", error);
  return !error && adapters != std::filesystem::directory_iterator();
}

std::string_view core_of(std::string_view provider) { return provider.substr(0, provider.find(';')); }

Result<std::vector<Offer>> find_offers(const Settings& settings) {
  auto interfaces = find_interfaces(settings.socket_interfaces);
  if (!interfaces) {
    return tl::make_unexpected(interfaces.error());
  }
  const Nearness nearness = Nearness::of_this_thread();
  prefer_near(*interfaces, nearness);
  std::vector<Offer> offers;
  for (std::shared_ptr<fi_info> info = everything_offered(); info != nullptr; info = {info, info->next}) {
    Offer offer{.provider = info->fabric_attr->prov_name,
                .domain = info->domain_attr->name,
                .interface = {},
                .interface_order = 0,
                .place = place_of(*info, nearness),
                .info = info};
    if (const auto address = source_address(*info); address && !is_network_provider(offer.provider)) {
      const auto found = std::ranges::find_if(*interfaces, [&](const Interface& interface) {
        return interface.address.to_string() == address->to_string();
      });
      if (found == interfaces->end() || address->is_link_local()) {
        continue;
      }
      offer.interface = found->name;
      offer.interface_order = static_cast<size_t>(found - interfaces->begin());
    }
    offers.push_back(std::move(offer));
  }
  return offers;
}

std::string names_of(std::span<const Offer> offers) {
  std::set<std::string_view> names;
  std::ranges::transform(offers, std::inserter(names, names.end()), [](const Offer& offer) { return core_of(offer.provider); });
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

namespace {

// Of the offers of one provider. Of adapters that are alike, each rank takes another, and one that is near if there is one.
const Offer* choose_of(std::span<const Offer> offers, std::string_view provider, uint32_t rank) {
  const Offer* best = nullptr;
  std::vector<const Offer*> adapters;
  for (const Offer& offer : offers) {
    if (offer.provider != provider && core_of(offer.provider) != provider) {
      continue;
    }
    if (best == nullptr || order_of(offer) < order_of(*best)) {
      best = &offer;
    }
    const bool is_new = std::ranges::none_of(adapters, [&](const Offer* known) { return known->domain == offer.domain; });
    if (is_new && is_network_provider(offer.provider)) {
      adapters.push_back(&offer);
    }
  }
  const auto is_near = [](const Offer* adapter) { return adapter->place == Nearness::Place::near; };
  if (std::ranges::any_of(adapters, is_near)) {
    std::erase_if(adapters, std::not_fn(is_near));
  }
  return adapters.empty() ? best : adapters[rank % adapters.size()];
}

}  // namespace

Result<const Offer*> choose(std::span<const Offer> offers, const Wish& wish) {
  if (!wish.provider.empty()) {
    if (const Offer* const found = choose_of(offers, wish.provider, wish.rank)) {
      return found;
    }
    return tl::make_unexpected(
        invalid_argument("TUTTI_OFI_PROVIDER: \"{}\" is not offered by libfabric here; there are: {}", wish.provider, names_of(offers)));
  }
  for (const std::string_view provider : kNetworkProviders) {
    if (const Offer* const found = choose_of(offers, provider, wish.rank)) {
      return found;
    }
  }
  return wish.takes_software ? choose_of(offers, kSoftwareProvider, wish.rank) : nullptr;
}

transport::LinkEstimate estimate_of(std::string_view provider, Distance distance) {
  const std::string_view core = core_of(provider);
  if (core == "efa") {
    return {.latency_ns = 18'000, .bandwidth_bytes_per_s = 12'500'000'000, .source = "aws-ofi-nccl tuner: P5en latency; 100 Gbit/s adapter"};
  }
  if (core == "verbs") {
    return {.latency_ns = 2'500, .bandwidth_bytes_per_s = 12'500'000'000, .source = "default for 100 Gbit/s InfiniBand through rxm"};
  }
  if (core == "shm") {
    return {.latency_ns = 1'500, .bandwidth_bytes_per_s = 4'500'000'000, .source = "default for libfabric shm, measured by all_reduce_perf"};
  }
  if (distance == Distance::same_host) {
    return {.latency_ns = 6'500, .bandwidth_bytes_per_s = 2'200'000'000, .source = "default for libfabric tcp over loopback, measured by all_reduce_perf"};
  }
  return {.latency_ns = 35'000, .bandwidth_bytes_per_s = 1'100'000'000, .source = "default for libfabric tcp over 10 Gbit/s Ethernet"};
}

}  // namespace tutti::transports::ofi
