// SPDX-License-Identifier: Apache-2.0
#include "rounds_picture.hpp"

#include <fmt/format.h>

#include <cmath>

#include "svg.hpp"

namespace tutti::tool {
namespace {

using schedule::Passage;

constexpr double kFirstRound = 64;
constexpr double kFirstRank = 62;
constexpr double kRound = 78;
constexpr double kRank = 34;
constexpr double kHead = 6;

double x_of(uint32_t round) { return kFirstRound + kRound * round; }
double y_of(uint32_t rank) { return kFirstRank + kRank * rank; }

std::string_view look_of(Passage::Kind kind) {
  switch (kind) {
    case Passage::Kind::copied: return "copied";
    case Passage::Kind::reduced: return "reduced";
    case Passage::Kind::told: return "faint";
  }
  return "faint";
}

void add_arrow(Drawing& drawing, const Passage& passage) {
  const Point from{x_of(passage.round) + 4, y_of(passage.source)};
  const Point to{x_of(passage.round + 1) - 4, y_of(passage.target)};
  const double length = std::hypot(to.x - from.x, to.y - from.y);
  const Point along{(to.x - from.x) / length, (to.y - from.y) / length};
  const auto beside = [&](double side) { return Point{to.x - kHead * along.x - side * along.y, to.y - kHead * along.y + side * along.x}; };
  drawing.line(from, to, look_of(passage.kind));
  drawing.polygon({to, beside(kHead / 2), beside(-kHead / 2)}, look_of(passage.kind));
}

std::string_view sign_of(Passage::Kind kind) {
  switch (kind) {
    case Passage::Kind::copied: return "->";
    case Passage::Kind::reduced: return "=>";
    case Passage::Kind::told: return "..";
  }
  return "";
}

std::string chunks_text(const Passage& passage) {
  if (passage.kind == Passage::Kind::told) {
    return "";
  }
  return passage.chunk_count == 1 ? fmt::format(" [{}]", passage.first_chunk)
                                  : fmt::format(" [{}..{}]", passage.first_chunk, passage.first_chunk + passage.chunk_count - 1);
}

uint32_t round_count(std::span<const Passage> passages) { return passages.empty() ? 0 : passages.back().round + 1; }

}  // namespace

std::string rounds_picture(std::string_view title, uint32_t rank_count, std::span<const Passage> passages) {
  Drawing drawing;
  const uint32_t rounds = round_count(passages);
  const double right = x_of(rounds);
  drawing.text({12, 26}, Anchor::start, "title", title);
  for (uint32_t round = 0; round < rounds; ++round) {
    drawing.text({x_of(round) + kRound / 2, kFirstRank - 16}, Anchor::middle, "small", fmt::format("{}", round + 1));
  }
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    drawing.text({12, y_of(rank) + 4}, Anchor::start, "note", fmt::format("rank {}", rank));
    drawing.line({kFirstRound, y_of(rank)}, {right, y_of(rank)}, "faint");
    for (uint32_t round = 0; round <= rounds; ++round) {
      drawing.circle({x_of(round), y_of(rank)}, 3, "unit");
    }
  }
  for (const Passage& passage : passages) {
    add_arrow(drawing, passage);
  }
  return drawing.finish(right + 24, y_of(rank_count - 1) + 24, title);
}

std::string rounds_text(std::span<const Passage> passages) {
  std::string text;
  for (uint32_t round = 0; round < round_count(passages); ++round) {
    text += fmt::format("{:>4} ", round + 1);
    for (const Passage& passage : passages) {
      if (passage.round != round) {
        continue;
      }
      text += fmt::format("  {} {} {}{}", passage.source, sign_of(passage.kind), passage.target, chunks_text(passage));
    }
    text += "\n";
  }
  return text;
}

}  // namespace tutti::tool
