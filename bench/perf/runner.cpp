// SPDX-License-Identifier: Apache-2.0
#include "runner.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace tutti::perf {
namespace {

using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point begin) { return std::chrono::duration<double, std::micro>(Clock::now() - begin).count(); }

std::vector<int> roots_of(const Collective& collective, const Options& options, int rank_count) {
  if (!collective.has_root()) return {-1};
  if (options.root != kAllRoots) return {options.root};
  std::vector<int> roots(static_cast<size_t>(rank_count));
  std::iota(roots.begin(), roots.end(), 0);
  return roots;
}

// The operator as the communicator knows it.
class BoundOperator {
 public:
  BoundOperator(const Case& one, const Communicator& communicator) : comm_(communicator.get()), code_(one.op.code) {
    if (one.op.kind != OperatorKind::premultiplied_sum) return;
    uint64_t scalar = premultiplier_element(communicator.rank(), one.datatype);
    require(tuttiRedOpCreatePreMulSum(&code_, &scalar, one.datatype.code, tuttiScalarHostImmediate, comm_),
            "tuttiRedOpCreatePreMulSum", comm_);
    made_ = true;
  }
  ~BoundOperator() {
    if (made_) tuttiRedOpDestroy(code_, comm_);
  }
  BoundOperator(const BoundOperator&) = delete;
  BoundOperator& operator=(const BoundOperator&) = delete;

  tuttiRedOp_t code() const { return code_; }

 private:
  tuttiComm_t comm_;
  tuttiRedOp_t code_;
  bool made_ = false;
};

}  // namespace

// One size of one case.
struct Runner::Task {
  const Case& one;
  size_t bytes;
  const Numbers& numbers;
  tuttiRedOp_t op;
};

struct Runner::Problem {
  Call call;
  const Numbers& numbers;
  size_t bytes;
};

std::vector<Case> cases_of(const Collective& collective, const Options& options, int rank_count) {
  if (!collective.carries_data()) return {{datatype_of(tuttiInt8), kNoOperator, -1}};
  const std::vector<Operator> operators = collective.reduces() ? options.operators : std::vector{kNoOperator};
  std::vector<Case> cases;
  for (const DataType& datatype : options.datatypes) {
    for (const Operator& op : operators) {
      if (!is_defined(op, datatype)) continue;
      for (const int root : roots_of(collective, options, rank_count)) cases.push_back({datatype, op, root});
    }
  }
  return cases;
}

Summary Runner::run(const std::function<void(const Row&)>& on_row) {
  const Collective& collective = parts_.collective;
  const std::vector<size_t> sizes = collective.carries_data() ? sizes_of(parts_.options) : std::vector<size_t>{0};
  for (const Case& one : cases_of(collective, parts_.options, parts_.communicator.rank_count())) {
    const auto numbers = make_numbers({one.datatype, one.op, parts_.communicator.rank_count()});
    const BoundOperator op(one, parts_.communicator);
    // The first row is that of a process which has done the same before, as nccl-tests has it: pages touched, plans made, threads awake.
    for (const size_t bytes : {sizes.back(), sizes.front()}) warm_up({one, bytes, *numbers, op.code()});
    for (const size_t bytes : sizes) on_row(run_size({one, bytes, *numbers, op.code()}));
  }
  return summary_;
}

Runner::Problem Runner::problem_of(const Task& task, Place place) const {
  const Communicator& communicator = parts_.communicator;
  const size_t element_bytes = task.one.datatype.size;
  const Layout layout = parts_.collective.layout(task.bytes / element_bytes, communicator.rank_count());
  const Geometry geometry{communicator.rank(), communicator.rank_count(), task.one.root, place, layout};
  Call call{parts_.send.data(), parts_.receive.data(), geometry, task.one.datatype, task.op, communicator.get(), parts_.stream.get()};
  if (place == Place::in_place) {
    const size_t rank = static_cast<size_t>(communicator.rank());
    call.send = parts_.receive.data() + rank * layout.in_place_send_stride * element_bytes;
    call.receive = parts_.receive.data() + rank * layout.in_place_receive_stride * element_bytes;
  }
  return {call, task.numbers, parts_.collective.size_count(layout, communicator.rank_count()) * element_bytes};
}

void Runner::warm_up(const Task& task) {
  const Problem problem = problem_of(task, Place::out_of_place);
  if (parts_.collective.carries_data()) prepare(checked_call(problem, ++seed_));
  iterate(problem, parts_.options.warmup_iterations);
}

Row Runner::run_size(const Task& task) {
  Row row{0, 0, task.one.datatype.name, task.one.op.name, task.one.root, {}, {}};
  for (const Place place : {Place::out_of_place, Place::in_place}) {
    if (place == Place::in_place && !parts_.collective.works_in_place()) continue;
    const Problem problem = problem_of(task, place);
    row.bytes = problem.bytes;
    row.count = problem.call.geometry.layout.call_count;
    const Measurement measurement = measure(problem);
    if (place == Place::out_of_place) {
      row.out_of_place = measurement;
    } else {
      row.in_place = measurement;
    }
  }
  return row;
}

Measurement Runner::measure(const Problem& problem) {
  const Collective& collective = parts_.collective;
  // Sensible numbers to work on: what the last size left may have become denormal, which would be timed.
  if (collective.carries_data()) prepare(checked_call(problem, ++seed_));
  iterate(problem, parts_.options.warmup_iterations);
  Measurement measurement;
  measurement.time_us = time_per_call_us(problem);
  measurement.bandwidth = bandwidth_of(problem.bytes, measurement.time_us,
                                       collective.bus_factor(parts_.communicator.rank_count()));
  if (parts_.options.per_iteration == Iterations::timed_one_by_one) measurement.per_iteration = time_iterations(problem);
  if (parts_.options.check_iterations > 0 && collective.carries_data()) measurement.wrong = check(problem);
  summary_.bus_gb_per_s_sum += measurement.bandwidth.bus_gb_per_s;
  ++summary_.measurement_count;
  return measurement;
}

double Runner::time_per_call_us(const Problem& problem) {
  const Options& options = parts_.options;
  barrier(parts_.communicator, parts_.stream);
  const auto begin = Clock::now();
  iterate(problem, options.iterations);
  std::vector<double> time_us{us_since(begin) / options.iterations / options.aggregated};
  share_times(time_us);
  return time_us[0];
}

Distribution Runner::time_iterations(const Problem& problem) {
  barrier(parts_.communicator, parts_.stream);
  std::vector<double> times_us;
  times_us.reserve(static_cast<size_t>(parts_.options.iterations));
  for (int iteration = 0; iteration < parts_.options.iterations; ++iteration) {
    const auto begin = Clock::now();
    iterate(problem, 1);
    times_us.push_back(us_since(begin) / parts_.options.aggregated);
  }
  share_times(times_us);
  return distribution_of(std::move(times_us));
}

uint64_t Runner::check(const Problem& problem) {
  uint64_t wrong = 0;
  for (int iteration = 0; iteration < parts_.options.check_iterations && wrong == 0; ++iteration) {
    const CheckedCall call = checked_call(problem, ++seed_);
    prepare(call);
    // A rank's buffer must not be written before it is prepared; the collectives themselves see to that.
    enqueue(problem);
    parts_.stream.synchronize(parts_.communicator);
    const uint64_t own = count_wrong(call);
    std::vector<uint64_t> shared{own, own > 0 ? 1u : 0u};
    all_reduce(std::span(shared), tuttiSum, parts_.communicator, parts_.stream);
    wrong = shared[0];
    summary_.failed_checks += shared[1];
  }
  return wrong;
}

// Back to back, then one wait; or with -z 1 a wait after each.
void Runner::iterate(const Problem& problem, int iterations) {
  const Options& options = parts_.options;
  for (int iteration = 0; iteration < iterations; ++iteration) {
    if (options.aggregated > 1) require(tuttiGroupStart(), "tuttiGroupStart", nullptr);
    for (int call = 0; call < options.aggregated; ++call) enqueue(problem);
    if (options.aggregated > 1) require(tuttiGroupEnd(), "tuttiGroupEnd", nullptr);
    if (options.waiting == Waiting::after_each_call) parts_.stream.synchronize(parts_.communicator);
  }
  if (options.waiting == Waiting::once_at_the_end) parts_.stream.synchronize(parts_.communicator);
}

void Runner::enqueue(const Problem& problem) {
  require(parts_.collective.enqueue(problem.call), parts_.collective.name(), parts_.communicator.get());
}

void Runner::share_times(std::vector<double>& times_us) {
  switch (parts_.options.average) {
    case Average::rank_0:
      if (parts_.communicator.rank() != 0) std::fill(times_us.begin(), times_us.end(), 0.0);
      return all_reduce(std::span(times_us), tuttiSum, parts_.communicator, parts_.stream);
    case Average::mean: return all_reduce(std::span(times_us), tuttiAvg, parts_.communicator, parts_.stream);
    case Average::min: return all_reduce(std::span(times_us), tuttiMin, parts_.communicator, parts_.stream);
    case Average::max: return all_reduce(std::span(times_us), tuttiMax, parts_.communicator, parts_.stream);
  }
}

CheckedCall Runner::checked_call(const Problem& problem, uint32_t seed) const {
  const Call& call = problem.call;
  return {parts_.collective, problem.numbers, call.geometry, call.datatype.size, seed, parts_.send.data(), parts_.receive.data()};
}

}  // namespace tutti::perf
