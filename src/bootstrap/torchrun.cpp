// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/torchrun.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>

#include "base/interfaces.hpp"
#include "bootstrap/job_secret.hpp"
#include "bootstrap/ticket.hpp"
#include "bootstrap/unique_id.hpp"
#include "bootstrap/variables.hpp"
#include "bootstrap/wire.hpp"

namespace tutti::bootstrap {

namespace {

constexpr std::array<const char*, 4> kVariables{"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"};
// What else tells one job, or one attempt at it, from another.
constexpr std::array<const char*, 2> kJobVariables{"TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"};

Status check_all_set() {
  std::string missing;
  for (const char* variable : kVariables) {
    if (value_of(variable).empty()) {
      fmt::format_to(std::back_inserter(missing), "{}{}", missing.empty() ? "" : ", ", variable);
    }
  }
  if (missing.empty()) {
    return {};
  }
  return invalid_usage("tuttiCommInitFromEnv: of RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, which torchrun sets, {} not set",
                       missing.find(',') == std::string::npos ? missing + " is" : missing + " are");
}

bool is_on_this_host(SocketAddress address) {
  address.set_port(0);
  const Result<std::vector<Interface>> interfaces = find_interfaces("");
  return address.is_loopback() ||
         (interfaces && std::any_of(interfaces->begin(), interfaces->end(), [&](const Interface& interface) {
            return interface.address.to_string() == address.to_string();
          }));
}

// Whether all ranks share this host, so that a file of this host can hold their secret. LOCAL_WORLD_SIZE, when it is there, knows best.
Result<bool> all_on_this_host(const TorchrunVariables& variables) {
  const Result<SocketAddress> master = SocketAddress::resolve(variables.master_address, variables.master_port);
  if (!master) {
    return tl::make_unexpected(
        Status(master.error().code(), "tuttiCommInitFromEnv: MASTER_ADDR: " + master.error().message()));
  }
  const std::string local_count = value_of("LOCAL_WORLD_SIZE");
  const bool others_are_elsewhere = !local_count.empty() && local_count != fmt::to_string(variables.rank_count);
  return is_on_this_host(*master) && !others_are_elsewhere;
}

Result<Key> shared_key(const TorchrunVariables& variables, const Settings& settings) {
  if (!settings.secret_file.empty()) {
    return read_secret_file(settings.secret_file);
  }
  const Result<bool> one_host = all_on_this_host(variables);
  if (!one_host) {
    return tl::make_unexpected(one_host.error());
  }
  if (!*one_host) {
    return tl::make_unexpected(invalid_usage(
        "tuttiCommInitFromEnv: ranks run on several hosts (MASTER_ADDR is {}) and share no secret; put at least {} random bytes into a "
        "file that only you can read, on every host, and set TUTTI_SECRET_FILE to its path",
        sanitised(variables.master_address), kKeyBytes));
  }
  return user_key();
}

Key job_key(const Key& shared, const TorchrunVariables& variables, uint64_t call) {
  std::string job = fmt::format("tutti torchrun\n{}\n{}\n{}", variables.rank_count, variables.master_address, variables.master_port);
  for (const char* variable : kJobVariables) {
    fmt::format_to(std::back_inserter(job), "\n{}", value_of(variable));
  }
  return derive_key(shared, job, call);
}

// Written and read by any thread that initialises from the environment; publishes nothing, hence relaxed.
std::atomic<uint64_t> next_call{0};

}  // namespace

bool launched_by_torchrun() {
  return std::any_of(kVariables.begin(), kVariables.end(), [](const char* variable) { return !value_of(variable).empty(); });
}

bool launched_by_torchrun_itself() { return !value_of("TORCHELASTIC_RUN_ID").empty() && check_all_set().ok(); }

Result<TorchrunVariables> parse_torchrun_variables() {
  TUTTI_UNEXPECTED_IF_ERROR(check_all_set());
  const Result<uint32_t> rank_count = number_of("WORLD_SIZE", {.least = 1, .most = kMaxRankCount});
  if (!rank_count) {
    return tl::make_unexpected(rank_count.error());
  }
  const Result<uint32_t> rank = number_of("RANK", {.least = 0, .most = *rank_count - 1});
  if (!rank) {
    return tl::make_unexpected(rank.error());
  }
  const Result<uint32_t> port = number_of("MASTER_PORT", {.least = 1, .most = UINT16_MAX});
  if (!port) {
    return tl::make_unexpected(port.error());
  }
  return TorchrunVariables{.rank = *rank,
                           .rank_count = *rank_count,
                           .master_address = value_of("MASTER_ADDR"),
                           .master_port = static_cast<uint16_t>(*port)};
}

uint16_t first_torchrun_port(uint16_t master_port, uint64_t call) {
  constexpr uint64_t kDistinctCalls = 1024;  // 16,384 ports; after so many communicators the first one's service has long ended
  return following_port(master_port, static_cast<uint16_t>(1 + kTorchrunPortCount * (call % kDistinctCalls)));
}

Result<Placement> placement_from_torchrun(const Settings& settings) {
  const uint64_t call = next_call.fetch_add(1, std::memory_order_relaxed);
  const Result<TorchrunVariables> variables = parse_torchrun_variables();
  if (!variables) {
    return tl::make_unexpected(variables.error());
  }
  const Result<Key> shared = shared_key(*variables, settings);
  if (!shared) {
    return tl::make_unexpected(shared.error());
  }
  const Rendezvous rendezvous{.host = variables->master_address,
                              .port = first_torchrun_port(variables->master_port, call),
                              .secret = job_key(*shared, *variables, call),
                              .port_count = kTorchrunPortCount};
  if (variables->rank == 0) {
    TUTTI_UNEXPECTED_IF_ERROR(serve_rendezvous(rendezvous, settings));
  }
  const Result<tuttiUniqueId> id = id_of_rendezvous(rendezvous);
  if (!id) {
    return tl::make_unexpected(id.error());
  }
  return Placement{.rank = variables->rank, .rank_count = variables->rank_count, .id = *id, .launcher = "torchrun variables"};
}

}  // namespace tutti::bootstrap
