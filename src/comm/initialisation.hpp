// SPDX-License-Identifier: Apache-2.0
// How a communicator comes up, as a state machine that never blocks: introductions, and on several hosts a round more for plug-ins; then the connector's rounds until every pair has a link; then
// agreeing that all planners will decide alike.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "bootstrap/exchange.hpp"
#include "comm/config.hpp"
#include "comm/connector.hpp"
#include "comm/host.hpp"
#include "comm/link_report.hpp"
#include "comm/own_transports.hpp"
#include "comm/records.hpp"
#include "engine/executor.hpp"
#include "planner/planner.hpp"

namespace tutti::comm {

class Initialisation {
 public:
  struct Setup {
    Config config;
    std::unique_ptr<bootstrap::Exchange> exchange;
    const Clock* clock = nullptr;
    engine::Engine* engine = nullptr;       // null in simulation
    std::vector<NamedTransport> transports;  // best first; empty: made from the registry as the configuration says
    std::optional<Host> host = {};           // in simulation; otherwise this one
    std::optional<MeasuredLinks> measured = {};  // in tests; otherwise those of this machine, unless `transports` are given
    engine::Data data = engine::Data::real;  // modelled in simulation only
  };
  // What comes out of it.
  struct Parts {
    std::shared_ptr<engine::Executor> executor;
    std::shared_ptr<planner::Planner> planner;
    LinkReport links = {};
  };

  explicit Initialisation(Setup setup);
  ~Initialisation();

  // Carries on; true once take() may be called. A failure is final, and has been told to the other ranks as far as possible.
  Result<bool> poll();
  Parts take();
  // Gives up, and tells the other ranks why as far as possible.
  void abandon(const Status& why);

 private:
  enum class Stage : uint8_t { begin, introducing, introducing_plugins, connecting, agreeing_on_reach, agreeing_on_plans, done };

  Result<bool> step();
  Status begin();
  // Of TUTTI_TOPOLOGY.
  Status lay_model();
  Status make_transports();
  SelectionRequest selection_request() const;
  transport::TransportContext transport_context() const;
  MeasuredLinks measured_links() const;
  std::unique_ptr<planner::Planner> make_planner();
  void note(const std::vector<bootstrap::Bytes>& records);
  Status take_introductions(const std::vector<bootstrap::Bytes>& records);
  Status check_introduction(uint32_t rank) const;
  // Whether installed plug-ins are looked at; the same on all ranks.
  bool wants_installed() const;
  Status introduce_plugins();
  Status take_plugins(const std::vector<bootstrap::Bytes>& records);
  Status begin_connecting();
  Status announce_reach();
  Status take_reach(const std::vector<bootstrap::Bytes>& records);
  Status begin_agreement();
  Status take_agreements(const std::vector<bootstrap::Bytes>& records);
  void build_executor();
  void log_links() const;
  Status timed_out() const;

  uint32_t rank() const { return setup_.exchange->rank(); }
  uint32_t rank_count() const { return setup_.exchange->rank_count(); }

  // What transports refer to for as long as they live; the executor keeps it for them.
  struct Foundation {
    Settings settings;
    transport::Secret secret;
  };

  std::shared_ptr<Foundation> foundation_ = std::make_shared<Foundation>();
  Setup setup_;
  Deadline deadline_ = Deadline::none();
  Stage stage_ = Stage::begin;
  std::vector<Introduction> introductions_;
  OwnTransports transports_;  // until there is a connector
  bool leaves_installed_ = false;
  std::string plugin_folder_;
  std::unique_ptr<Connector> connector_;
  bootstrap::Bytes told_;  // all that ranks have told each other so far
  planner::Overrides overrides_;
  std::vector<planner::Prescription> prescriptions_;
  std::optional<topology::Topology> model_;
  bool is_real_ = false;  // its transports are the registry's
  Parts parts_;
};

}  // namespace tutti::comm
