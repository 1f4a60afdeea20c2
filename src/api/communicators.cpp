// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "api/group.hpp"
#include "api/objects.hpp"
#include "bootstrap/environment.hpp"
#include "bootstrap/unique_id.hpp"
#include "tutti/tutti.h"

namespace {

using namespace tutti;
using namespace tutti::api;

struct Place {
  std::vector<tuttiUniqueId> ids;
  int rank;
  int rank_count;
};

// A communicator that has not come up yet.
Result<std::shared_ptr<comm::Communicator>> make_communicator(const Place& place, comm::Config config, std::string_view function) {
  if (place.rank_count < 1) {
    return tl::make_unexpected(invalid_argument("{}: nranks is {}, which is less than 1", function, place.rank_count));
  }
  if (place.rank < 0 || place.rank >= place.rank_count) {
    return tl::make_unexpected(invalid_argument("{}: rank is {}, not in 0..{}", function, place.rank, place.rank_count - 1));
  }
  auto exchange = bootstrap::join({.ids = place.ids,
                                   .rank = static_cast<uint32_t>(place.rank),
                                   .rank_count = static_cast<uint32_t>(place.rank_count)},
                                  monotonic_clock());
  if (!exchange) {
    return tl::make_unexpected(exchange.error());
  }
  return std::make_shared<comm::Communicator>(comm::Initialisation::Setup{.config = std::move(config),
                                                                           .exchange = std::move(*exchange),
                                                                           .clock = &monotonic_clock(),
                                                                           .engine = &engine::Engine::process(),
                                                                           .transports = {}});
}

Result<Settings> checked_settings() { return Settings::parse(); }

Result<comm::Config> checked_config(const tuttiConfig_t* config) {
  const auto settings = checked_settings();
  if (!settings) {
    return tl::make_unexpected(settings.error());
  }
  return comm::make_config(config, *settings);
}

Status init_rank(tuttiComm_t* comm, const Place& place, const tuttiConfig_t* config, std::string_view function) {
  if (comm == nullptr) {
    return invalid_argument("{}: comm is NULL", function);
  }
  *comm = nullptr;
  auto made_config = checked_config(config);
  if (!made_config) {
    return made_config.error();
  }
  auto made = make_communicator(place, std::move(*made_config), function);
  if (!made) {
    return made.error();
  }
  PendingInitialisation pending{std::move(*made), comm};
  if (Group& group = Group::of_thread(); group.is_open()) {
    group.add(std::move(pending));
    return {};
  }
  std::vector<PendingInitialisation> one{std::move(pending)};
  return bring_up(one);
}

// A failure inside a group is the group's too.
Status init_rank_noted(tuttiComm_t* comm, const Place& place, const tuttiConfig_t* config, std::string_view function) {
  Status status = init_rank(comm, place, config, function);
  if (!status.ok() && status.code() != tuttiInProgress && Group::of_thread().is_open()) {
    Group::of_thread().note(status);
  }
  return status;
}

tuttiResult_t guarded_init(tuttiComm_t* comm, const Place& place, const tuttiConfig_t* config, std::string_view function) {
  return guarded([&] { return init_rank_noted(comm, place, config, function); });
}

Status outside_group(std::string_view function) {
  return Group::of_thread().is_open() ? invalid_usage("{}: not allowed between tuttiGroupStart and tuttiGroupEnd", function) : Status();
}

Status init_all(tuttiComm_t* comms, int ndev) {
  TUTTI_RETURN_IF_ERROR(outside_group("tuttiCommInitAll"));
  if (comms == nullptr) {
    return invalid_argument("tuttiCommInitAll: comms is NULL");
  }
  if (ndev < 1) {
    return invalid_argument("tuttiCommInitAll: ndev is {}, which is less than 1", ndev);
  }
  std::fill_n(comms, ndev, nullptr);
  const auto id = bootstrap::create_unique_id(Settings::environment());
  if (!id) {
    return id.error();
  }
  std::vector<PendingInitialisation> pending;
  for (int rank = 0; rank < ndev; ++rank) {
    auto config = checked_config(nullptr);
    if (!config) {
      return config.error();
    }
    auto made = make_communicator({{*id}, rank, ndev}, std::move(*config), "tuttiCommInitAll");
    if (!made) {
      return made.error();
    }
    pending.push_back({std::move(*made), &comms[rank]});
  }
  return bring_up(pending);
}

Status split(const CommunicatorPin& parent, int color, int key, tuttiComm_t* newcomm, const tuttiConfig_t* config) {
  comm::Communicator& communicator = *parent->communicator;
  TUTTI_RETURN_IF_ERROR(communicator.check_usable("tuttiCommSplit"));
  comm::Config child = communicator.config();
  if (config != nullptr) {
    auto made = checked_config(config);
    if (!made) {
      return made.error();
    }
    child = std::move(*made);
  }
  child.topology.clear();  // its ranks are other chips than their numbers say
  child.is_split = true;
  const auto place = communicator.agree_on_split(color, key);
  if (!place) {
    return place.error();
  }
  if (!place->has_value()) {
    return {};
  }
  auto made = make_communicator({{(**place).id}, static_cast<int>((**place).rank), static_cast<int>((**place).rank_count)},
                                std::move(child), "tuttiCommSplit");
  if (!made) {
    return made.error();
  }
  std::vector<PendingInitialisation> one;
  one.push_back({std::move(*made), newcomm});
  return bring_up(one);
}

Result<std::string> explain(comm::Communicator& communicator, const char* collective, size_t bytes) {
  TUTTI_UNEXPECTED_IF_ERROR(communicator.check_usable("tuttiCommExplain"));
  const auto named = schedule::collective_named(collective);
  if (!named) {
    return tl::make_unexpected(invalid_argument("tuttiCommExplain: collective: {}", named.error().message()));
  }
  const planner::Planner& planner = *communicator.planner();
  const schedule::Problem problem{.collective = *named, .rank_count = communicator.rank_count()};
  const auto explanation = planner.explanation(planner::call_of_all_bytes(problem, bytes), planner::Ranges::find);
  return explanation ? Result<std::string>(to_string(*explanation)) : tl::make_unexpected(explanation.error());
}

// Gives a text to the caller, as far as there is room.
Status hand_over(std::string_view function, const std::string& whole, char* text, size_t capacity, size_t* length) {
  if (text == nullptr && capacity != 0) {
    return invalid_argument("{}: text is NULL, capacity is {}", function, capacity);
  }
  if (length != nullptr) {
    *length = whole.size();
  }
  if (capacity != 0) {
    text[whole.copy(text, capacity - 1)] = '\0';
  }
  return {};
}

// Takes the handle away and waits for the calls that still use it.
void release(tuttiComm_t comm) { communicators().remove(comm); }

Status finalize(CommunicatorObject& object) {
  TUTTI_RETURN_IF_ERROR(object.communicator->begin_finalizing());
  return object.has_left.exchange(true) ? Status() : object.cohort->leave(object.communicator);
}

// The rank leaves by another way than finalize(), if it has not left yet. What that lets finish concerns the others.
void drop_out(CommunicatorObject& object) {
  if (!object.has_left.exchange(true)) {
    (void)object.cohort->drop_out();
  }
}

}  // namespace

extern "C" {

tuttiResult_t tuttiGetUniqueId(tuttiUniqueId* uniqueId) {
  return guarded([&]() -> Status {
    if (uniqueId == nullptr) {
      return invalid_argument("tuttiGetUniqueId: uniqueId is NULL");
    }
    const auto settings = checked_settings();
    if (!settings) {
      return settings.error();
    }
    const auto id = bootstrap::create_unique_id(*settings);
    if (!id) {
      return id.error();
    }
    *uniqueId = *id;
    return {};
  });
}

tuttiResult_t tuttiCommInitRank(tuttiComm_t* comm, int nranks, tuttiUniqueId commId, int rank) {
  return guarded_init(comm, {{commId}, rank, nranks}, nullptr, "tuttiCommInitRank");
}

tuttiResult_t tuttiCommInitRankConfig(tuttiComm_t* comm, int nranks, tuttiUniqueId commId, int rank, const tuttiConfig_t* config) {
  return guarded_init(comm, {{commId}, rank, nranks}, config, "tuttiCommInitRankConfig");
}

tuttiResult_t tuttiCommInitRankScalable(tuttiComm_t* comm, int nranks, int rank, int nId, const tuttiUniqueId* commIds, const tuttiConfig_t* config) {
  return guarded([&]() -> Status {
    if (commIds == nullptr) {
      return invalid_argument("tuttiCommInitRankScalable: commIds is NULL");
    }
    if (nId < 1 || nId > nranks) {
      return invalid_argument("tuttiCommInitRankScalable: nId is {}, not in 1..{}, the number of ranks", nId, nranks);
    }
    return init_rank_noted(comm, {{commIds, commIds + nId}, rank, nranks}, config, "tuttiCommInitRankScalable");
  });
}

tuttiResult_t tuttiCommInitAll(tuttiComm_t* comms, int ndev, const int* /*devlist*/) {
  return guarded([&] { return init_all(comms, ndev); });
}

tuttiResult_t tuttiCommInitFromEnv(tuttiComm_t* comm, const tuttiConfig_t* config) {
  return guarded([&]() -> Status {
    TUTTI_RETURN_IF_ERROR(outside_group("tuttiCommInitFromEnv"));
    if (comm == nullptr) {
      return invalid_argument("tuttiCommInitFromEnv: comm is NULL");
    }
    *comm = nullptr;
    const auto settings = checked_settings();
    if (!settings) {
      return settings.error();
    }
    const auto placement = bootstrap::placement_from_environment(*settings);
    if (!placement) {
      return placement.error();
    }
    return init_rank(comm, {{placement->id}, static_cast<int>(placement->rank), static_cast<int>(placement->rank_count)}, config,
                     "tuttiCommInitFromEnv");
  });
}

tuttiResult_t tuttiCommSplit(tuttiComm_t comm, int color, int key, tuttiComm_t* newcomm, const tuttiConfig_t* config) {
  return guarded([&]() -> Status {
    TUTTI_RETURN_IF_ERROR(outside_group("tuttiCommSplit"));
    if (newcomm == nullptr) {
      return invalid_argument("tuttiCommSplit: newcomm is NULL");
    }
    *newcomm = nullptr;
    if (color < 0 && color != TUTTI_SPLIT_NOCOLOR) {
      return invalid_argument("tuttiCommSplit: color is {}, neither TUTTI_SPLIT_NOCOLOR nor at least 0", color);
    }
    const auto pin = pin_communicator(comm, "tuttiCommSplit");
    return pin ? split(*pin, color, key, newcomm, config) : pin.error();
  });
}

tuttiResult_t tuttiCommFinalize(tuttiComm_t comm) {
  return guarded([&]() -> Status {
    TUTTI_RETURN_IF_ERROR(outside_group("tuttiCommFinalize"));
    const auto pin = pin_communicator(comm, "tuttiCommFinalize");
    if (!pin) {
      return pin.error();
    }
    Status status = (*pin)->communicator->check_usable("tuttiCommFinalize");
    status = status.ok() ? finalize(**pin) : status;
    keep_error(**pin, status);
    return status;
  });
}

tuttiResult_t tuttiCommDestroy(tuttiComm_t comm) {
  if (comm == nullptr) {
    return tuttiSuccess;
  }
  return guarded([&]() -> Status {
    TUTTI_RETURN_IF_ERROR(outside_group("tuttiCommDestroy"));
    Status outcome;
    {
      const auto pin = pin_communicator(comm, "tuttiCommDestroy");
      if (!pin) {
        return pin.error();
      }
      comm::Communicator& communicator = *(*pin)->communicator;
      if (communicator.state() == comm::State::ready && communicator.failure().ok()) {
        outcome = finalize(**pin);
      } else if (communicator.state() == comm::State::initialising) {
        communicator.abort(aborted_error("destroyed while initialising"));
      }
      drop_out(**pin);
    }
    release(comm);
    return outcome;
  });
}

tuttiResult_t tuttiCommAbort(tuttiComm_t comm) {
  if (comm == nullptr) {
    return tuttiSuccess;
  }
  return guarded([&]() -> Status {
    {
      const auto pin = pin_communicator(comm, "tuttiCommAbort");
      if (!pin) {
        return pin.error();
      }
      comm::Communicator& communicator = *(*pin)->communicator;
      communicator.abort(aborted_error("\"{}\" was aborted by rank {}", communicator.config().name, communicator.rank()));
      drop_out(**pin);
    }
    release(comm);
    return {};
  });
}

tuttiResult_t tuttiCommGetAsyncError(tuttiComm_t comm, tuttiResult_t* asyncError) {
  return guarded_on(comm, "tuttiCommGetAsyncError", [&](const comm::Communicator& communicator) -> Status {
    if (asyncError == nullptr) {
      return invalid_argument("tuttiCommGetAsyncError: asyncError is NULL");
    }
    const bool initialising = communicator.state() == comm::State::initialising;
    *asyncError = initialising ? tuttiInProgress : communicator.failure().code();
    return {};
  });
}

tuttiResult_t tuttiCommCount(tuttiComm_t comm, int* count) {
  return guarded_on(comm, "tuttiCommCount", [&](const comm::Communicator& communicator) -> Status {
    if (count == nullptr) {
      return invalid_argument("tuttiCommCount: count is NULL");
    }
    *count = static_cast<int>(communicator.rank_count());
    return {};
  });
}

tuttiResult_t tuttiCommUserRank(tuttiComm_t comm, int* rank) {
  return guarded_on(comm, "tuttiCommUserRank", [&](const comm::Communicator& communicator) -> Status {
    if (rank == nullptr) {
      return invalid_argument("tuttiCommUserRank: rank is NULL");
    }
    *rank = static_cast<int>(communicator.rank());
    return {};
  });
}

tuttiResult_t tuttiCommExplain(tuttiComm_t comm, const char* collective, size_t bytes, char* text, size_t capacity, size_t* length) {
  return guarded_on(comm, "tuttiCommExplain", [&](comm::Communicator& communicator) -> Status {
    if (collective == nullptr) {
      return invalid_argument("tuttiCommExplain: collective is NULL");
    }
    if (text == nullptr && capacity != 0) {
      return invalid_argument("tuttiCommExplain: text is NULL, capacity is {}", capacity);
    }
    const auto explanation = explain(communicator, collective, bytes);
    if (!explanation) {
      return explanation.error();
    }
    return hand_over("tuttiCommExplain", *explanation, text, capacity, length);
  });
}

tuttiResult_t tuttiCommLinks(tuttiComm_t comm, char* text, size_t capacity, size_t* length) {
  return guarded_on(comm, "tuttiCommLinks", [&](comm::Communicator& communicator) -> Status {
    TUTTI_RETURN_IF_ERROR(communicator.check_usable("tuttiCommLinks"));
    return hand_over("tuttiCommLinks", to_json(communicator.links()), text, capacity, length);
  });
}

tuttiResult_t tuttiCommSynchronize(tuttiComm_t comm) {
  return guarded_on(comm, "tuttiCommSynchronize", [](comm::Communicator& communicator) -> Status {
    TUTTI_RETURN_IF_ERROR(communicator.check_usable("tuttiCommSynchronize"));
    return communicator.synchronize();
  });
}

}  // extern "C"
