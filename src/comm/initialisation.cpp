// SPDX-License-Identifier: Apache-2.0
#include "comm/initialisation.hpp"

#include <algorithm>
#include <cstdio>

#include "base/log.hpp"
#include "comm/algorithm_files.hpp"
#include "comm/machine.hpp"
#include "comm/selection.hpp"
#include "comm/shared_planners.hpp"
#include "engine/engine.hpp"
#include "registry/registry.hpp"
#include "topology/fitting.hpp"
#include "transport/plugin_loader.hpp"

namespace tutti::comm {

namespace {

std::vector<planner::Algorithm> all_algorithms() {
  std::vector<planner::Algorithm> algorithms;
  for (const auto family : registry::algorithm_families()) {
    const auto members = family();
    algorithms.insert(algorithms.end(), members.begin(), members.end());
  }
  return algorithms;
}

}  // namespace

Initialisation::Initialisation(Setup setup) : setup_(std::move(setup)) {}
Initialisation::~Initialisation() = default;

Result<bool> Initialisation::poll() {
  auto result = step();
  if (result && !*result && deadline_.passed(*setup_.clock)) {
    result = tl::make_unexpected(timed_out());
  }
  if (!result) {
    setup_.exchange->abandon(result.error());
  }
  return result;
}

void Initialisation::abandon(const Status& why) { setup_.exchange->abandon(why); }

Initialisation::Parts Initialisation::take() { return std::move(parts_); }

Result<bool> Initialisation::step() {
  if (stage_ == Stage::begin) {
    TUTTI_UNEXPECTED_IF_ERROR(begin());
    return false;
  }
  if (stage_ == Stage::done) {
    return true;
  }
  const bool should_announce = connector_ != nullptr && connector_->poll();
  if (stage_ == Stage::connecting) {
    if (should_announce) {
      TUTTI_UNEXPECTED_IF_ERROR(announce_reach());
    }
    return false;
  }
  auto records = setup_.exchange->poll();
  if (!records) {
    return tl::make_unexpected(records.error());
  }
  if (!records->has_value()) {
    return false;
  }
  switch (stage_) {
    case Stage::introducing: TUTTI_UNEXPECTED_IF_ERROR(take_introductions(**records)); break;
    case Stage::introducing_plugins: TUTTI_UNEXPECTED_IF_ERROR(take_plugins(**records)); break;
    case Stage::agreeing_on_reach: TUTTI_UNEXPECTED_IF_ERROR(take_reach(**records)); break;
    case Stage::agreeing_on_plans: TUTTI_UNEXPECTED_IF_ERROR(take_agreements(**records)); break;
    case Stage::begin:
    case Stage::connecting:
    case Stage::done: break;
  }
  return stage_ == Stage::done;
}

Status Initialisation::begin() {
  auto settings = Settings::parse();
  if (!settings) {
    return settings.error();
  }
  foundation_->settings = std::move(*settings);
  deadline_ = Deadline::after_timeout_ms(*setup_.clock, setup_.config.timeout_ms);
  auto overrides = planner::Overrides::parse(setup_.config.algorithms, all_algorithms());
  if (!overrides) {
    return overrides.error();
  }
  overrides_ = std::move(*overrides);
  const bool may_misfit = setup_.config.is_split || rank_count() == 1;
  auto prescriptions = load_algorithm_files(setup_.config.algorithm_files, rank_count(), may_misfit ? Misfits::pass_over : Misfits::error);
  if (!prescriptions) {
    return Status(prescriptions.error().code(), "TUTTI_ALGO_FILE: " + prescriptions.error().message());
  }
  prescriptions_ = std::move(*prescriptions);
  TUTTI_RETURN_IF_ERROR(lay_model());
  foundation_->secret = setup_.exchange->secret();
  TUTTI_RETURN_IF_ERROR(make_transports());
  Host host = setup_.host ? *setup_.host : this_host(foundation_->settings);
  Introduction own{.version = TUTTI_VERSION_CODE,
                   .rank_count = rank_count(),
                   .name = setup_.config.name,
                   .transports = setup_.config.transports,
                   .algorithms = setup_.config.algorithms,
                   .algorithm_files = to_string(prescriptions_),
                   .topology = setup_.config.topology,
                   .slice_bytes = foundation_->settings.slice_bytes,
                   .host_id = std::move(host.id),
                   .allowed_cores = std::move(host.allowed_cores),
                   .place = host.place,
                   .memory = host.memory,
                   .offers = transports_.offers()};
  stage_ = Stage::introducing;
  return setup_.exchange->begin_all_gather(encode(own));
}

Status Initialisation::lay_model() {
  if (setup_.config.topology.empty()) {
    return {};
  }
  auto topology = topology::load_topology(setup_.config.topology, foundation_->settings.topology_path, rank_count());
  if (!topology) {
    return Status(topology.error().code(), "TUTTI_TOPOLOGY: " + topology.error().message());
  }
  topology->messages = topology::Messages::adjacent;
  model_ = std::move(*topology);
  return {};
}

MeasuredLinks Initialisation::measured_links() const {
  if (setup_.measured) {
    return *setup_.measured;
  }
  return is_real_ && foundation_->settings.measured_links && rank_count() > 1 ? measured_links_of_this_machine() : MeasuredLinks{};
}

Status Initialisation::make_transports() {
  is_real_ = setup_.transports.empty();
  if (!is_real_) {
    transports_ = OwnTransports(std::move(setup_.transports));
    return {};
  }
  plugin_folder_ = transport::plugin_folder().value_or("");
  const auto selection = select_transports(selection_request());
  if (!selection) {
    return selection.error();
  }
  leaves_installed_ = selection->leaves_installed;
  TUTTI_RETURN_IF_ERROR(transports_.add(*selection, transport_context()));
  return leaves_installed_ ? Status() : transports_.check_any(setup_.config.transports);
}

SelectionRequest Initialisation::selection_request() const {
  return {.words = setup_.config.transports, .plugin_files = foundation_->settings.transport_plugins, .folder = plugin_folder_};
}

transport::TransportContext Initialisation::transport_context() const {
  return {.rank = rank(),
          .rank_count = rank_count(),
          .communicator_id = setup_.exchange->job_id(),
          .secret = foundation_->secret,
          .host_id = host_id(foundation_->settings),
          .clock = *setup_.clock,
          .settings = foundation_->settings};
}

void Initialisation::note(const std::vector<bootstrap::Bytes>& records) {
  for (const bootstrap::Bytes& record : records) {
    told_.insert(told_.end(), record.begin(), record.end());
  }
}

Status Initialisation::take_introductions(const std::vector<bootstrap::Bytes>& records) {
  note(records);
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    auto introduction = decode_introduction(records[peer], peer);
    if (!introduction) {
      return introduction.error();
    }
    introductions_.push_back(std::move(*introduction));
  }
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    TUTTI_RETURN_IF_ERROR(check_introduction(peer));
  }
  return wants_installed() ? introduce_plugins() : begin_connecting();
}

bool Initialisation::wants_installed() const {
  return leaves_installed_ && std::ranges::any_of(introductions_, [&](const Introduction& one) { return one.host_id != introductions_[0].host_id; });
}

Status Initialisation::introduce_plugins() {
  TUTTI_RETURN_IF_ERROR(transports_.add(select_installed(selection_request()), transport_context()));
  stage_ = Stage::introducing_plugins;
  return setup_.exchange->begin_all_gather(encode(transports_.offers()));
}

Status Initialisation::take_plugins(const std::vector<bootstrap::Bytes>& records) {
  note(records);
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    auto offers = decode_offers(records[peer], peer);
    if (!offers) {
      return offers.error();
    }
    introductions_[peer].offers = std::move(*offers);
  }
  return begin_connecting();
}

Status Initialisation::begin_connecting() {
  TUTTI_RETURN_IF_ERROR(is_real_ ? transports_.check_any(setup_.config.transports) : Status());
  connector_ = std::make_unique<Connector>(Connector::Setup{.rank = rank(),
                                                            .rank_count = rank_count(),
                                                            .transports = transports_.arrange(introductions_),
                                                            .clock = setup_.clock,
                                                            .left_out = transports_.left_out(),
                                                            .measured = measured_links()});
  if (rank_count() == 1) {
    return begin_agreement();
  }
  connector_->begin(introductions_);
  stage_ = Stage::connecting;
  return {};
}

Status Initialisation::check_introduction(uint32_t peer) const {
  const Introduction& theirs = introductions_[peer];
  const Introduction& first = introductions_[0];
  const auto differ = [&](std::string_view what, const auto& ours, const auto& other) {
    return mismatch_error("initialisation: rank 0 has {} \"{}\", rank {} has \"{}\"", what, ours, peer, other);
  };
  if (theirs.version != first.version) return differ("library version", first.version, theirs.version);
  if (theirs.rank_count != first.rank_count) return differ("rank count", first.rank_count, theirs.rank_count);
  if (theirs.name != first.name) return differ("communicator name", first.name, theirs.name);
  if (theirs.transports != first.transports) return differ("TUTTI_TRANSPORTS", first.transports, theirs.transports);
  if (theirs.algorithms != first.algorithms) return differ("TUTTI_ALGO", first.algorithms, theirs.algorithms);
  if (theirs.algorithm_files != first.algorithm_files) {
    return differ("from TUTTI_ALGO_FILE", first.algorithm_files, theirs.algorithm_files);
  }
  if (theirs.topology != first.topology) return differ("TUTTI_TOPOLOGY", first.topology, theirs.topology);
  if (theirs.slice_bytes != first.slice_bytes) return differ("TUTTI_SLICE_BYTES", first.slice_bytes, theirs.slice_bytes);
  return {};
}

Status Initialisation::announce_reach() {
  stage_ = Stage::agreeing_on_reach;
  return setup_.exchange->begin_all_gather(encode(connector_->reach()));
}

Status Initialisation::take_reach(const std::vector<bootstrap::Bytes>& records) {
  note(records);
  std::vector<Reach> reaches;
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    auto reach = decode_reach(records[peer], peer, connector_->neighbours_of(peer).size());
    if (!reach) {
      return reach.error();
    }
    reaches.push_back(std::move(*reach));
  }
  const auto verdict = connector_->decide(reaches);
  if (!verdict) {
    return verdict.error();
  }
  if (*verdict == Connector::Verdict::all_connected) {
    return begin_agreement();
  }
  stage_ = Stage::connecting;
  return {};
}

std::unique_ptr<planner::Planner> Initialisation::make_planner() {
  const auto link = [&](uint32_t source, uint32_t target) { return connector_->link_spec(source, target); };
  planner::Planner::Options options{.topology = model_ ? std::move(*model_) : make_topology(introductions_, link),
                                    .rank = rank(),
                                    .algorithms = all_algorithms(),
                                    .overrides = std::move(overrides_),
                                    .prescriptions = std::move(prescriptions_)};
  if (foundation_->settings.explain) {
    options.on_plan = [name = setup_.config.name](const std::string& text) { fmt::print(stderr, "tutti: plan of \"{}\": {}", name, text); };
  }
  return std::make_unique<planner::Planner>(std::move(options));
}

// All that decides a plan has been told; whether plans are explained is a setting.
Status Initialisation::begin_agreement() {
  told_.push_back(std::byte{foundation_->settings.explain});
  parts_.planner = planner_for(rank(), std::move(told_), [this] { return make_planner(); });
  stage_ = Stage::agreeing_on_plans;
  return setup_.exchange->begin_all_gather(encode(Agreement{.planner_hash = parts_.planner->hash()}));
}

Status Initialisation::take_agreements(const std::vector<bootstrap::Bytes>& records) {
  const uint64_t own_hash = parts_.planner->hash();
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    const auto agreement = decode_agreement(records[peer], peer);
    if (!agreement) {
      return agreement.error();
    }
    if (agreement->planner_hash != own_hash) {
      return mismatch_error("initialisation: ranks {} and {} would plan differently; they run different builds, see different machines or have "
                            "different machine models",
                            rank(), peer);
    }
  }
  build_executor();
  stage_ = Stage::done;
  return {};
}

void Initialisation::build_executor() {
  if (rank_count() > 1) {
    parts_.links = connector_->report();
    log_links();
  }
  engine::Executor::Connections connections = connector_->take_connections();
  connections.foundation = foundation_;
  parts_.executor = std::make_shared<engine::Executor>(engine::Executor::Options{.rank = rank(),
                                                                                 .rank_count = rank_count(),
                                                                                 .name = setup_.config.name,
                                                                                 .timeout_ms = setup_.config.timeout_ms,
                                                                                 .crowding = crowding_of(introductions_, rank()),
                                                                                 .clock = setup_.clock,
                                                                                 .engine = setup_.engine},
                                                       std::move(connections));
}

void Initialisation::log_links() const {
  const LinkReport& report = parts_.links;
  for (uint32_t peer = 0; peer < rank_count() && log::enabled(log::Level::info); ++peer) {
    if (peer == rank()) {
      continue;
    }
    std::string passed_over;
    for (const LinkReport::PassedOver& better : report.links[peer].passed_over) {
      passed_over += fmt::format("; not {}: {}", report.transports[better.transport], report.texts[better.reason]);
    }
    log::info("rank {} of \"{}\": rank {} over {}{}", rank(), setup_.config.name, peer, report.links[peer].description, passed_over);
  }
  if (!report.left_out.empty()) {
    log::info("rank {} of \"{}\": left out: {}", rank(), setup_.config.name, to_string(report.left_out));
  }
}

Status Initialisation::timed_out() const {
  return timeout_error("initialisation of \"{}\": rank {} has waited {} ms for {}", setup_.config.name, rank(), setup_.config.timeout_ms,
                       stage_ == Stage::connecting ? connector_->waiting_for() : setup_.exchange->waiting_for());
}

}  // namespace tutti::comm
