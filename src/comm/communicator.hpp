// SPDX-License-Identifier: Apache-2.0
// A communicator: numbers and checks calls, asks the planner, and hands requests to its executor. Owns both.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

#include "base/clock.hpp"
#include "base/status.hpp"
#include "comm/call.hpp"
#include "comm/config.hpp"
#include "comm/initialisation.hpp"
#include "comm/link_report.hpp"
#include "comm/operators.hpp"
#include "comm/programs.hpp"
#include "engine/engine.hpp"

namespace tutti::comm {

enum class State : uint8_t { initialising, ready, finalised, failed };

class Communicator {
 public:
  // A communicator that has not come up yet. It does so by initialise(), initialise_in_background(), or a caller of poll_initialisation().
  explicit Communicator(Initialisation::Setup setup);
  // One that is up already, for simulations of machines that are too large for all ranks to introduce themselves to each other.
  struct Ready {
    Config config;
    Position position;
    uint64_t job_id = 0;
    const Clock* clock = nullptr;
    engine::Data data = engine::Data::real;
    Initialisation::Parts parts;
  };
  explicit Communicator(Ready ready);
  ~Communicator();

  // Brings all of them up in the calling thread, round-robin, since ranks of one thread wait for each other. Each one's outcome is its failure();
  // returns the first failure.
  static Status initialise(std::span<const std::shared_ptr<Communicator>> communicators);
  // Brings `communicator` up in a thread of its own.
  static void initialise_in_background(const std::shared_ptr<Communicator>& communicator);
  // One step; true once it is ready. For initialise() and for simulation.
  Result<bool> poll_initialisation();

  uint32_t rank() const { return position_.rank; }
  uint32_t rank_count() const { return position_.rank_count; }
  // Equal on the ranks of one communicator, as bootstrap::Exchange::job_id.
  uint64_t job_id() const { return job_id_; }
  const Position& position() const { return position_; }
  const Config& config() const { return config_; }
  State state() const { return state_.load(std::memory_order_acquire); }
  // What has ended the communicator, or ok().
  Status failure() const;
  // ok() when calls are allowed: ready, and not failed.
  Status check_usable(std::string_view function) const { return is_usable() ? Status() : why_unusable(function); }

  // All that can be found wrong with a call here and now.
  Status check_call(const Call& call) const;
  // What a call asks of the engine. Errors: as check_call(), and what cannot be planned.
  Result<engine::Request> prepare(const Call& call);
  // Enqueues it. A null `stream` is the communicator's own; `start` as in engine::Executor::submit.
  Status submit(engine::Request&& request, const std::shared_ptr<engine::Stream>& stream, const engine::Stream::Ticket* start = nullptr);
  // Both at once, on a communicator that check_usable() allows.
  Status enqueue(const Call& call, const std::shared_ptr<engine::Stream>& stream, const engine::Stream::Ticket* start = nullptr);
  const std::shared_ptr<engine::Stream>& own_stream() const { return executor_->own_stream(); }

  // Blocks until everything enqueued so far has completed.
  Status synchronize();
  // Waits for own work and announces that this rank leaves; later calls are refused.
  Status begin_finalizing();
  // Waits for every rank to come there too, and parts from them. Ranks of one thread do so together, since they wait for each other. Returns the
  // first failure.
  static Status finish_finalizing(std::span<const std::shared_ptr<Communicator>> communicators);
  // Ends everything with `why`. Returns within 100 ms, in any state.
  void abort(const Status& why);
  // The id of this rank's part of a split, and its place there; nothing without a colour.
  struct SplitPlace {
    tuttiUniqueId id;
    uint32_t rank = 0;
    uint32_t rank_count = 1;
  };
  Result<std::optional<SplitPlace>> agree_on_split(int color, int key);

  Operators& operators() { return operators_; }
  // Null until ready.
  engine::Executor* executor() const { return executor_.get(); }
  planner::Planner* planner() const { return &programs_->planner(); }
  // How this rank reaches the others; once ready.
  const LinkReport& links() const { return links_; }

 private:
  bool is_usable() const { return state() == State::ready && !executor_->has_failed(); }
  Status why_unusable(std::string_view function) const;
  Status gather_from_all(std::span<const std::byte> own, std::span<std::byte> all);
  void become_ready(Initialisation::Parts parts);
  void carry_initialisation();
  void cancel_initialisation();
  void fail(const Status& why);

  const Config config_;
  const Position position_;
  const uint64_t job_id_;
  const Clock& clock_;
  engine::Engine* const engine_;
  const engine::Data data_;
  Operators operators_;

  std::unique_ptr<Initialisation> initialisation_;  // while initialising; one thread's
  std::mutex background_mutex_;  // guards the joining of background_
  std::thread background_;
  std::atomic<bool> cancelled_{false};  // set by abort(), read by the initialising thread
  std::atomic<State> state_{State::initialising};  // release after what the state promises has been written; pairs with state()
  mutable std::mutex failure_mutex_;
  Status failure_;  // of initialisation; later ones are the executor's

  LinkReport links_;
  std::unique_ptr<Programs> programs_;  // outlives the executor, which runs what it holds
  std::shared_ptr<engine::Executor> executor_;
};

}  // namespace tutti::comm
