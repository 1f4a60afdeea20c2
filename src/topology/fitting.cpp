// SPDX-License-Identifier: Apache-2.0
#include "topology/fitting.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <tuple>

#include "topology/model_files.hpp"

namespace tutti::topology {
namespace {

// Chip counts from the ranks' on for which all shapes are tried.
constexpr uint64_t kMostCountsTried = 256;

using Dims = std::vector<uint32_t>;

// Calls `visit` with all ways to write `product` as that many factors.
template <typename Visit>
void for_each_factoring(uint64_t product, size_t factor_count, Dims& factors, const Visit& visit) {
  if (factors.size() + 1 == factor_count) {
    factors.push_back(static_cast<uint32_t>(product));
    visit(factors);
    factors.pop_back();
    return;
  }
  for (uint64_t factor = 1; factor <= product; ++factor) {
    if (product % factor == 0) {
      factors.push_back(static_cast<uint32_t>(factor));
      for_each_factoring(product / factor, factor_count, factors, visit);
      factors.pop_back();
    }
  }
}

// What makes one shape better than another of as many chips; smaller is better.
using Merit = std::tuple<std::vector<uint64_t>, uint64_t, Dims>;

Merit merit_of(const Model& usual, const Model& shaped, const Dims& dims) {
  std::vector<uint64_t> missing;
  for (size_t index = 0; index + 1 < shaped.levels.size(); ++index) {
    const uint64_t most = unit_count(usual.levels[index]);
    const uint64_t has = unit_count(shaped.levels[index]);
    missing.push_back(has <= most ? most - has : most + has);
  }
  return {missing, std::accumulate(dims.begin(), dims.end(), uint64_t{0}), dims};
}

std::optional<Model> best_of_count(const Model& model, uint64_t chip_count, size_t axis_count) {
  uint64_t fixed = 1;
  for (const LevelModel& level : model.levels) {
    fixed *= level.is_fixed ? unit_count(level) : 1;
  }
  if (axis_count == 0 || chip_count % fixed != 0 || chip_count > kMostChips) {
    return std::nullopt;
  }
  std::optional<Model> best;
  Merit least;
  Dims factors;
  for_each_factoring(chip_count / fixed, axis_count, factors, [&](const Dims& dims) {
    Model shaped = model;
    if (!apply_shape(&shaped, fmt::format("{}", fmt::join(dims, "x"))).ok()) {
      return;
    }
    Merit merit = merit_of(model, shaped, dims);
    if (!best || merit < least) {
      best = std::move(shaped);
      least = std::move(merit);
    }
  });
  return best;
}

// The model as it is, and in each shape that has a name.
std::vector<Model> named_shapes(const Model& model) {
  std::vector<Model> all = {model};
  for (const NamedShape& named : model.shapes) {
    Model shaped = model;
    if (apply_shape(&shaped, named.name).ok()) {
      all.push_back(std::move(shaped));
    }
  }
  return all;
}

// A circle through the points of `rows` rows and `columns` columns, as row * columns + column; the number of rows is even. Along the first row, then to
// and fro beside the first column, and back in that.
std::vector<uint32_t> circle_in_grid(uint32_t rows, uint32_t columns) {
  std::vector<uint32_t> points = {0};
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint32_t step = 1; step < columns; ++step) {
      points.push_back(row * columns + (row % 2 == 0 ? step : columns - step));
    }
  }
  for (uint32_t row = rows; --row > 0;) {
    points.push_back(row * columns);
  }
  return points;
}

// All points of a lattice, each beside the next: to and fro along the first axis, one step along the second after each turn, and so on.
std::vector<uint32_t> path_through(const Dims& dims) {
  std::vector<uint32_t> path = {0};
  uint32_t stride = 1;
  for (const uint32_t size : dims) {
    const size_t length = path.size();
    for (uint32_t layer = 1; layer < size; ++layer) {
      for (size_t index = 0; index < length; ++index) {
        path.push_back(layer * stride + path[layer % 2 == 0 ? index : length - 1 - index]);
      }
    }
    stride *= size;
  }
  return path;
}

// Empty where none is known: when the number of points is odd.
std::vector<uint32_t> circle_through(const Dims& dims) {
  uint32_t most = 0;  // the longest axis is the grid's other side
  uint32_t count = 1;
  for (uint32_t axis = 0; axis < dims.size(); ++axis) {
    most = dims[axis] > dims[most] ? axis : most;
    count *= dims[axis];
  }
  const uint32_t length = dims[most];
  if (count == length || count % 2 != 0) {
    return {};
  }
  const uint32_t stride = std::accumulate(dims.begin(), dims.begin() + most, uint32_t{1}, std::multiplies<>());
  Dims others = dims;
  others[most] = 1;
  const std::vector<uint32_t> path = path_through(others);  // strides of later axes are too short by `length`
  const auto point = [&](uint32_t on_path, uint32_t along) {
    const uint32_t number = path[on_path];
    return number % stride + along * stride + number / stride * stride * length;
  };
  std::vector<uint32_t> circle;
  const auto on_path_count = static_cast<uint32_t>(path.size());
  if (on_path_count % 2 == 0) {
    for (const uint32_t at : circle_in_grid(on_path_count, length)) {
      circle.push_back(point(at / length, at % length));
    }
  } else {
    for (const uint32_t at : circle_in_grid(length, on_path_count)) {
      circle.push_back(point(at % on_path_count, at / on_path_count));
    }
  }
  return circle;
}

bool is_lattice(const FabricLevel& level) { return level.kind == LevelKind::torus || level.kind == LevelKind::mesh; }

}  // namespace

Status fit_shape(Model* model, uint32_t rank_count) {
  const std::vector<Model> named = named_shapes(*model);
  size_t axis_count = 0;
  for (const LevelModel& level : model->levels) {
    axis_count += level.is_fixed ? 0 : level.dims.size();
  }
  const Model* smallest = nullptr;
  for (const Model& shaped : named) {
    if (shaped.chip_count() >= rank_count && (smallest == nullptr || shaped.chip_count() < smallest->chip_count())) {
      smallest = &shaped;
    }
  }
  const uint64_t enough = smallest == nullptr ? UINT64_MAX : smallest->chip_count();
  for (uint64_t count = rank_count; count < std::min<uint64_t>(enough, rank_count + kMostCountsTried); ++count) {
    if (auto shaped = best_of_count(*model, count, axis_count)) {
      *model = std::move(*shaped);
      return {};
    }
  }
  if (smallest == nullptr) {
    return invalid_argument("{} ranks are more than {} has chips in any of its shapes", rank_count, model->name);
  }
  *model = Model(*smallest);
  return {};
}

Topology first_chips(const std::shared_ptr<const Fabric>& fabric, uint32_t rank_count) {
  Topology all = Topology::of(fabric);
  if (rank_count == fabric->chip_count()) {
    return all;
  }
  Topology topology(rank_count);
  topology.set_fabric(fabric);
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    topology.set_host(rank, all.host(rank));
  }
  for (Level level : all.levels()) {
    level.domains.resize(rank_count);
    topology.add_level(std::move(level));
  }
  return topology;
}

Result<Topology> load_topology(std::string_view reference, std::string_view extra, uint32_t rank_count) {
  const auto found = find_model(reference, extra);
  if (!found) {
    return tl::make_unexpected(found.error());
  }
  auto model = load_model(reference, extra);
  if (!model) {
    return tl::make_unexpected(model.error());
  }
  if (!found->shape) {
    TUTTI_UNEXPECTED_IF_ERROR(fit_shape(&*model, rank_count));
  } else if (model->chip_count() != rank_count) {
    return tl::make_unexpected(invalid_argument("{} has {} chips, there are {} ranks", reference, model->chip_count(), rank_count));
  }
  const auto fabric = make_fabric(*model);
  if (!fabric) {
    return tl::make_unexpected(fabric.error());
  }
  return first_chips(*fabric, rank_count);
}

std::vector<uint32_t> circle_of(const Topology& topology) {
  std::vector<uint32_t> order(topology.rank_count());
  std::iota(order.begin(), order.end(), 0u);
  if (topology.fabric() == nullptr || topology.fabric()->levels().empty()) {
    return order;
  }
  const FabricLevel& inner = topology.fabric()->levels().front();
  if (!is_lattice(inner) || order.size() % inner.unit_count != 0) {
    return order;
  }
  const std::vector<uint32_t> circle = circle_through(inner.dims);
  for (uint32_t place = 0; place < order.size() && !circle.empty(); ++place) {
    order[place] = place / inner.unit_count * inner.unit_count + circle[place % inner.unit_count];
  }
  return order;
}

}  // namespace tutti::topology
