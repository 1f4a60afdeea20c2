// SPDX-License-Identifier: Apache-2.0
#include "comm/communicator.hpp"

#include <algorithm>
#include <cstring>

#include "bootstrap/unique_id.hpp"

namespace tutti::comm {

using schedule::Collective;

namespace {

// A rank has nothing to wait on but other processes here, so it lets them run: the longer it has taken so far, the longer, since looking again and again
// takes the time of those that it waits for, where many ranks share cores.
void pause_initialisation(uint32_t idle_rounds, uint64_t begin_ns) {
  constexpr uint64_t kLeastNs = 50'000;
  constexpr uint64_t kMostNs = 10'000'000;
  constexpr uint64_t kParts = 256;
  if (idle_rounds < 16) {
    sched_yield();
    return;
  }
  const uint64_t pause_ns = std::clamp((monotonic_clock().now_ns() - begin_ns) / kParts, kLeastNs, kMostNs);
  const timespec duration{0, static_cast<long>(pause_ns)};
  nanosleep(&duration, nullptr);
}

}  // namespace

Communicator::Communicator(Initialisation::Setup setup)
    : config_(setup.config),
      position_{setup.exchange->rank(), setup.exchange->rank_count()},
      job_id_(setup.exchange->job_id()),
      clock_(*setup.clock),
      engine_(setup.engine),
      data_(setup.data),
      initialisation_(std::make_unique<Initialisation>(std::move(setup))) {}

Communicator::Communicator(Ready ready)
    : config_(std::move(ready.config)),
      position_(ready.position),
      job_id_(ready.job_id),
      clock_(*ready.clock),
      engine_(nullptr),
      data_(ready.data) {
  become_ready(std::move(ready.parts));
}

Communicator::~Communicator() {
  cancel_initialisation();
  if (executor_ != nullptr && engine_ != nullptr) {
    engine_->detach(*executor_);
    // A call that was on its way while another thread ended the communicator: nobody else would complete it.
    if (executor_->has_work()) {
      executor_->abort(aborted_error("\"{}\" was destroyed with work pending", config_.name));
    }
  }
}

void Communicator::cancel_initialisation() {
  cancelled_.store(true, std::memory_order_relaxed);
  const std::lock_guard lock(background_mutex_);
  if (background_.joinable()) {
    background_.join();
  }
}

Result<bool> Communicator::poll_initialisation() {
  if (cancelled_.load(std::memory_order_relaxed)) {
    const Status why = aborted_error("initialisation of \"{}\" was aborted by rank {}", config_.name, position_.rank);
    initialisation_->abandon(why);
    initialisation_.reset();
    fail(why);
    return tl::make_unexpected(why);
  }
  auto done = initialisation_->poll();
  if (!done) {
    fail(done.error());
    initialisation_.reset();
    return done;
  }
  if (*done) {
    become_ready(initialisation_->take());
    initialisation_.reset();
  }
  return done;
}

void Communicator::become_ready(Initialisation::Parts parts) {
  executor_ = std::move(parts.executor);
  links_ = std::move(parts.links);
  programs_ = std::make_unique<Programs>(Programs::Setup{position_, std::move(parts.planner), config_.name, data_}, operators_);
  if (engine_ != nullptr) {
    engine_->attach(executor_);
  }
  // Release; pairs with the acquire in state(): publishes the members above.
  state_.store(State::ready, std::memory_order_release);
}

void Communicator::fail(const Status& why) {
  {
    const std::lock_guard lock(failure_mutex_);
    if (failure_.ok()) {
      failure_ = why;
    }
  }
  state_.store(State::failed, std::memory_order_release);
}

Status Communicator::initialise(std::span<const std::shared_ptr<Communicator>> communicators) {
  std::vector<Communicator*> pending;
  std::ranges::transform(communicators, std::back_inserter(pending), [](const auto& communicator) { return communicator.get(); });
  Status first;
  const uint64_t begin_ns = monotonic_clock().now_ns();
  uint32_t idle_rounds = 0;
  while (!pending.empty()) {
    const size_t before = pending.size();
    std::erase_if(pending, [&](Communicator* communicator) {
      const auto done = communicator->poll_initialisation();
      if (!done && first.ok()) {
        first = done.error();
      }
      return !done || *done;
    });
    idle_rounds = pending.size() == before ? idle_rounds + 1 : 0;
    if (!pending.empty()) {
      pause_initialisation(idle_rounds, begin_ns);
    }
  }
  return first;
}

void Communicator::initialise_in_background(const std::shared_ptr<Communicator>& communicator) {
  // The destructor joins it, so the pointer outlives the thread.
  communicator->background_ = std::thread([self = communicator.get()] {
    try {
      self->carry_initialisation();
    } catch (const std::exception& error) {
      self->fail(internal_error("initialisation of \"{}\": unexpected exception: {}", self->config_.name, error.what()));
    }
  });
}

void Communicator::carry_initialisation() {
  const uint64_t begin_ns = monotonic_clock().now_ns();
  for (uint32_t idle_rounds = 0;; ++idle_rounds) {
    if (const auto done = poll_initialisation(); !done || *done) {
      return;
    }
    pause_initialisation(idle_rounds, begin_ns);
  }
}

Status Communicator::failure() const {
  if (const State now = state(); (now == State::ready || now == State::finalised) && executor_->has_failed()) {
    return executor_->failure();
  }
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

Status Communicator::why_unusable(std::string_view function) const {
  switch (state()) {
    case State::ready: return executor_->failure();
    case State::initialising: return invalid_usage("{}: communicator \"{}\" is still initialising", function, config_.name);
    case State::finalised: return invalid_usage("{}: communicator \"{}\" has been finalised", function, config_.name);
    case State::failed: break;
  }
  return failure();
}

Status Communicator::check_call(const Call& call) const {
  return programs_->check(call);
}

Result<engine::Request> Communicator::prepare(const Call& call) { return programs_->request_for(call); }

Status Communicator::enqueue(const Call& call, const std::shared_ptr<engine::Stream>& stream, const engine::Stream::Ticket* start) {
  TUTTI_RETURN_IF_ERROR(check_usable(call.function));
  auto request = programs_->request_for(call);
  return request ? submit(std::move(*request), stream, start) : request.error();
}

Status Communicator::submit(engine::Request&& request, const std::shared_ptr<engine::Stream>& stream, const engine::Stream::Ticket* start) {
  return executor_->submit(std::move(request), stream != nullptr ? stream : own_stream(), start);
}

Status Communicator::synchronize() {
  const uint64_t submitted = executor_->submitted();
  executor_->wait_until([&] { return executor_->has_settled(submitted); });
  return executor_->has_failed() ? executor_->failure() : own_stream()->take_failure();
}

Status Communicator::begin_finalizing() {
  TUTTI_RETURN_IF_ERROR(synchronize());
  TUTTI_RETURN_IF_ERROR(enqueue(barrier_call("tuttiCommFinalize"), nullptr));
  state_.store(State::finalised, std::memory_order_release);
  return {};
}

Status Communicator::finish_finalizing(std::span<const std::shared_ptr<Communicator>> communicators) {
  Status first;
  const auto note = [&](const Status& status) { first = first.ok() ? status : first; };
  for (const auto& communicator : communicators) {
    note(communicator->synchronize());
    communicator->executor_->say_goodbye();
  }
  for (const auto& communicator : communicators) {
    engine::Executor& executor = *communicator->executor_;
    const Clock& clock = communicator->clock_;
    const Deadline deadline = Deadline::after_timeout_ms(clock, communicator->config_.timeout_ms);
    executor.wait_until([&] { return executor.has_parted() || executor.has_failed() || deadline.passed(clock); });
    note(executor.failure());
    if (!executor.has_parted() && !executor.has_failed()) {
      note(timeout_error("tuttiCommFinalize: \"{}\": not every rank has come here within {} ms", communicator->config_.name,
                         communicator->config_.timeout_ms));
    }
  }
  return first;
}

void Communicator::abort(const Status& why) {
  cancel_initialisation();
  if (const State now = state(); now == State::ready || now == State::finalised) {
    executor_->abort(why);
  } else {
    fail(why);
  }
}

Status Communicator::gather_from_all(std::span<const std::byte> own, std::span<std::byte> all) {
  const Call gather{.function = "tuttiCommSplit",
                    .collective = Collective::all_gather,
                    .send = own.data(),
                    .receive = all.data(),
                    .count = own.size(),
                    .datatype = tuttiUint8};
  TUTTI_RETURN_IF_ERROR(enqueue(gather, nullptr));
  return synchronize();
}

Result<std::optional<Communicator::SplitPlace>> Communicator::agree_on_split(int color, int key) {
  struct Wish {
    int32_t color;
    int32_t key;
  };
  const Wish own{color, key};
  std::vector<Wish> wishes(position_.rank_count);
  TUTTI_UNEXPECTED_IF_ERROR(gather_from_all(std::as_bytes(std::span(&own, 1)), std::as_writable_bytes(std::span(wishes))));

  std::vector<uint32_t> members;
  for (uint32_t rank = 0; rank < position_.rank_count; ++rank) {
    if (wishes[rank].color == color) {
      members.push_back(rank);
    }
  }
  std::ranges::stable_sort(members, {}, [&](uint32_t rank) { return wishes[rank].key; });

  // The first member of each part makes its id; everyone else sends an empty one.
  struct Offer {
    int32_t result = tuttiSuccess;
    tuttiUniqueId id{};
  };
  Offer offer;
  const bool has_color = color != TUTTI_SPLIT_NOCOLOR;
  if (has_color && members.front() == position_.rank) {
    const auto id = bootstrap::create_unique_id(Settings::environment());
    offer.result = id ? tuttiSuccess : id.error().code();
    offer.id = id.value_or(tuttiUniqueId{});
  }
  std::vector<Offer> offers(position_.rank_count);
  TUTTI_UNEXPECTED_IF_ERROR(gather_from_all(std::as_bytes(std::span(&offer, 1)), std::as_writable_bytes(std::span(offers))));
  if (!has_color) {
    return std::nullopt;
  }
  const Offer& chosen = offers[members.front()];
  if (chosen.result != tuttiSuccess) {
    const bool known = chosen.result > tuttiSuccess && chosen.result < tuttiNumResults;
    return tl::make_unexpected(tutti::failure(known ? static_cast<tuttiResult_t>(chosen.result) : tuttiRemoteError,
                                              "tuttiCommSplit: rank {} could not make an id for colour {}", members.front(), color));
  }
  return SplitPlace{.id = chosen.id,
                    .rank = static_cast<uint32_t>(std::ranges::find(members, position_.rank) - members.begin()),
                    .rank_count = static_cast<uint32_t>(members.size())};
}

}  // namespace tutti::comm
