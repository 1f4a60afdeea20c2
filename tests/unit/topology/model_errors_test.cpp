// SPDX-License-Identifier: Apache-2.0
// Model files that are wrong: which line and key the message names. And files that are damaged at random.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "fabric_support.hpp"
#include "topology/quantity.hpp"

namespace tutti::topology {
namespace {

// Line 20 is `name = "torus"`.
constexpr std::string_view kGood = R"(# A machine for tests.
format = 1
name = "good"
title = "A good machine"
chip = "chip"
chips = 128

[sources]
sheet = "a datasheet"

[shapes]
cube = "4x4x4x2"

# 14
# 15
# 16
# 17
# 18
[[level]]
name = "torus"
kind = "torus"
dims = [4, 4, 4]
block = [4, 4, 4]
wrap = "whole blocks"
twist = "doubled"
most_units = 64
ports_at_once = 3
source = "sheet"
raw = { value = "50 GB/s", source = "sheet" }
effective = { value = ["45 GB/s", "45 GB/s", "40 GB/s"], source = "sheet" }
hop_latency = { value = "1 us", source = "sheet", confidence = "recalled" }

[[level.protocols]]
name = "bulk"
step = "2 us"
source = "sheet"
efficiency = { value = "90 %", source = "sheet" }

[[level]]
name = "tree"
kind = "fat_tree"
dims = [2]
down = [64, 4]
oversubscription = ["2:1"]
adapters = 16
source = "sheet"
effective = { value = "200 Gbit/s", source = "sheet" }
hop_latency = { value = "0.3 us", source = "sheet" }
reduction = { efficiency = "85 %", latency = "25 us", source = "sheet" }

[[level.protocols]]
name = "bulk"
step = "14 us"
source = "sheet"
efficiency = { value = "100 %", source = "sheet" }
)";

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result(text);
  const size_t at = result.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? result : result.replace(at, from.size(), to);
}

TEST(ModelFile, GoodOneIsRead) {
  const Result<Model> model = parse_model(kGood, "good.toml");
  ASSERT_TRUE(model) << model.error().message();
  EXPECT_EQ(model->chip_count(), 128u);
  EXPECT_EQ(model->shape(), "4x4x4x2");
  const auto fabric = make_fabric(*model);
  ASSERT_TRUE(fabric);
  // Chips drive three of six links, and 64 share 16 adapters: both put links between a chip and its endpoint.
  EXPECT_EQ((*fabric)->link_count(), 2 * (6u * 64 + 2 * 64) + 2 * 128 + 2 * 32);
  for (uint32_t target = 0; target < 128; ++target) {
    expect_connected(**fabric, 5, target, 0);
  }
  expect_both_directions(**fabric);
}

struct Bad {
  const char* from;
  const char* to;
  const char* message;  // as it begins, after the file
};

TEST(ModelFile, MessagesNameLineAndKey) {
  const Bad cases[] = {
      {"format = 1", "format = 2", "2: format: 2 is not 1 to 1"},
      {"format = 1", "format = \"1\"", "2: format: is not a whole number"},
      {"title = \"A good machine\"\n", "", "1: title: is missing"},
      {"title = \"A good machine\"", "title = 3", "4: title: is not a text in quotes"},
      {"title = \"A good machine\"", "title = \"\"", "4: title: is not 1 to 512 characters of one line"},
      {"chips = 128", "chips = 127", "6: chips: 127, but the product of all dims is 128"},
      {"chips = 128", "chips = -128", "6: chips: -128 is negative"},
      {"chips = 128", "chips = 128.0", "6: chips: is not a whole number"},
      {"chips = 128", "chips = 99999999999", "6: chips: 99999999999 is not 1 to 1048576"},
      {"chips = 128", "chips = 128\nchops = 3", "7: chops: is unknown; known here: format, name, title, chip, chips, sources, shapes, level"},
      {"sheet = \"a datasheet\"", "sheet = \"a datasheet\"\nother = \"a page\"", "10: sources.other: is the source of nothing"},
      {"sheet = \"a datasheet\"", "sheet = 5", "9: sources.sheet: is not a text in quotes"},
      {"[sources]", "[saucers]", "1: sources: is missing"},
      {"cube = \"4x4x4x2\"", "cube = \"4x4\"", "12: shapes.cube: shape \"4x4\" has 2 numbers, but good has those of 4x4x4x2"},
      {"cube = \"4x4x4x2\"", "cube = \"4x4x8x2\"", "12: shapes.cube: shape \"4x4x8x2\": level \"torus\": dims: 4x4x8 have the product 128;"},
      {"kind = \"torus\"", "kind = \"taurus\"", "21: level[0].kind: \"taurus\" is none of full_mesh, switch, ring, torus, mesh,"},
      {"kind = \"torus\"", "kind = \"mesh\"", "24: level[0].wrap: is unknown; known here: name, kind, dims,"},
      {"dims = [4, 4, 4]", "dims = [4, -4, 4]", "22: level[0].dims: -4 is negative"},
      {"dims = [4, 4, 4]", "dims = [4, 0, 4]", "22: level[0].dims: 0 is not 1 to 1048576"},
      {"dims = [4, 4, 4]", "dims = [4, 4.5, 4]", "22: level[0].dims: is not a list of whole numbers"},
      {"dims = [4, 4, 4]", "dims = []", "22: level[0].dims: is not a list of 1 to 8 whole numbers"},
      {"block = [4, 4, 4]", "block = [4, 4]", "23: level[0].block: has 2 values; there are 3 dims"},
      {"dims = [4, 4, 4]", "dims = [1000000, 1000000, 1000000]", "22: level[0].dims: more than 1048576 chips"},
      {"dims = [4, 4, 4]", "dims = [1, 1, 6]", "22: level[0].dims: 1x1x6 is larger than a block of 4x4x4, and not whole blocks"},
      {"dims = [4, 4, 4]\n", "", "19: level[0].dims: is missing"},
      {"dims = [4, 4, 4]", "dims = [4, 4, 4]\nspeed = \"fast\"", "23: level[0].speed: is unknown; known here: name, kind, dims, fixed,"},
      {"block = [4, 4, 4]\n", "", "23: level[0].wrap: is about blocks, but there is no block"},
      {"wrap = \"whole blocks\"", "wrap = \"full axes\"", "24: level[0].wrap: is about the machine's axes, but there is no largest"},
      {"wrap = \"whole blocks\"", "wrap = [true, false]", "24: level[0].wrap: has 2 values; there are 3 dims"},
      {"wrap = \"whole blocks\"", "wrap = [true, 1, false]", "24: level[0].wrap: is not a list of true and false"},
      {"wrap = \"whole blocks\"", "wrap = \"yes\"", "24: level[0].wrap: \"yes\" is none of none, all, whole blocks, full axes"},
      {"ports_at_once = 3", "ports_at_once = 0", "27: level[0].ports_at_once: 0 is not 1 to 1048576"},
      {"source = \"sheet\"\nraw", "raw", "19: level[0].source: is missing"},
      {"source = \"sheet\"\nraw", "source = \"sheep\"\nraw", "28: level[0].source: \"sheep\" is not a key of [sources]"},
      {"\"50 GB/s\"", "\"50\"", "29: level[0].raw.value: \"50\" has no unit: one of \"B/s\", \"kB/s\","},
      {"\"50 GB/s\"", "50", "29: level[0].raw.value: is not a text in quotes"},
      {"\"50 GB/s\"", "\"50 GB\"", "29: level[0].raw.value: \"50 GB\" has the unit \"GB\", which is none of \"B/s\","},
      {"\"50 GB/s\"", "\"-50 GB/s\"", "29: level[0].raw.value: \"-50 GB/s\" is negative"},
      {"\"50 GB/s\"", "\"0 GB/s\"", "29: level[0].raw.value: \"0 GB/s\" is too small"},
      {"\"50 GB/s\"", "\"99999999 TB/s\"", "29: level[0].raw.value: \"99999999 TB/s\" is too large"},
      {"\"50 GB/s\"", "\"fast\"", "29: level[0].raw.value: \"fast\" does not begin with a number"},
      {"\"50 GB/s\"", "\"5. GB/s\"", "29: level[0].raw.value: \"5. GB/s\" has no digits after the point"},
      {"\"50 GB/s\"", "\"1.1234567 GB/s\"", "29: level[0].raw.value: \"1.1234567 GB/s\" has more than 6 digits after the point"},
      {"\"50 GB/s\", source = \"sheet\"", "\"50 GB/s\"", "29: level[0].raw.source: is missing"},
      {"\"50 GB/s\", source", "\"50 GB/s\", color = 1, source", "29: level[0].raw.color: is unknown; known here: source, confidence, value"},
      {"raw = { value = \"50 GB/s\", source = \"sheet\" }", "raw = \"50 GB/s\"", "29: level[0].raw: is not a table"},
      {"\"50 GB/s\"", "\"42 GB/s\"", "30: level[0].effective: is more than raw"},
      {"[\"45 GB/s\", \"45 GB/s\", \"40 GB/s\"]", "[\"45 GB/s\", \"40 GB/s\"]", "30: level[0].effective.value: has 2 values; there are 3 dims"},
      {"\"1 us\"", "\"1\"", "31: level[0].hop_latency.value: \"1\" has no unit: one of \"ns\", \"us\", \"ms\", \"s\""},
      {"\"1 us\"", "\"1 GB/s\"", "31: level[0].hop_latency.value: \"1 GB/s\" has the unit \"GB/s\", which is none of"},
      {"\"recalled\"", "\"sure\"", "31: level[0].hop_latency.confidence: \"sure\" is none of found, derived, recalled"},
      {"step = \"2 us\"\n", "", "33: level[0].protocols[0].step: is missing"},
      {"\"90 %\"", "\"190 %\"", "37: level[0].protocols[0].efficiency.value: \"190 %\" is too large"},
      {"\"90 %\"", "\"0.9\"", "37: level[0].protocols[0].efficiency.value: \"0.9\" has no unit: one of \"%\""},
      {"down = [64, 4]", "down = [8, 2]", "43: level[1].down: tiers of 8, 2 do not join 2 units with 16 adapters each"},
      {"down = [64, 4]\n", "", "39: level[1].down: is missing"},
      {"[\"2:1\"]", "[\"1:2\"]", "44: level[1].oversubscription: \"1:2\" has the unit \":2\", which is none of \":1\""},
      {"[\"2:1\"]", "[\"0.5:1\"]", "44: level[1].oversubscription: \"0.5:1\" is too small"},
      {"[\"2:1\"]", "[\"2:1\", \"2:1\"]", "44: level[1].oversubscription: has 2 values; above the leaves there are 1 tiers"},
      {"adapters = 16", "adapters = 65", "45: level[1].adapters: 65, more than the 64 chips of a unit"},
      {"latency = \"25 us\", ", "", "49: level[1].reduction.latency: is missing"},
      {"kind = \"fat_tree\"", "kind = \"switch\"", "43: level[1].down: is unknown; known here: name, kind, dims,"},
      {"chips = 128", "chips = ", "6: syntax: "},
      {"chips = 128", "chips = 128\nchips = 128", "7: syntax: "},
      {"chips = 128", "chips = \"\"\"128\n\"\"\"", "6: syntax: texts over several lines are not allowed"},
      {"[shapes]", "[=shapes]", "11: syntax: "},
      {"[[level]]", "[[ .level]]", "19: syntax: "},
      {"dims = [4, 4, 4]", "dims = [}, 4, 4]", "22: syntax: "},
      {"[shapes]", "[", "11: syntax: "},
      {"[shapes]", "[]", "11: syntax: "},
      {"chips = 128", "chips = '128", "6: syntax: a quote is not closed on its line"},
      {"title = \"A good machine\"", "title = \"A \xff machine\"", "4: syntax: "},
      {"title = \"A good machine\"", "title = \"A \\u0007 machine\"", "4: title: is not 1 to 512 characters of one line"},
  };
  for (const Bad& bad : cases) {
    const Result<Model> model = parse_model(replaced(kGood, bad.from, bad.to), "bad.toml");
    ASSERT_FALSE(model) << bad.from << " by " << bad.to;
    EXPECT_EQ(model.error().code(), tuttiInvalidArgument);
    EXPECT_THAT(model.error().message(), testing::StartsWith(std::string("bad.toml:") + bad.message)) << bad.from << " by " << bad.to;
  }
}

std::string repeated(std::string_view text, size_t count) {
  std::string result;
  for (size_t copy = 0; copy < count; ++copy) {
    result += text;
  }
  return result;
}

std::string complaint_about_text(const std::string& text) {
  const Result<Model> model = parse_model(text, "bad.toml");
  return model ? "" : model.error().message();
}

TEST(ModelFile, AMillionLevelsDeepIsAnError) {
  EXPECT_EQ(complaint_about_text("a = " + repeated("[", 1'000'000)), "bad.toml:1: size: 1000004 bytes; a model has at most 262144");
  EXPECT_EQ(complaint_about_text("a = " + repeated("[", 100'000)), "bad.toml:1: syntax: more than 8 brackets inside each other");
  EXPECT_EQ(complaint_about_text("a = " + repeated("{a=", 50'000)), "bad.toml:1: syntax: more than 8 brackets inside each other");
  EXPECT_EQ(complaint_about_text("[a" + repeated(".a", 100'000) + "]"), "bad.toml:1: syntax: more than 32 dots in a line");
  EXPECT_EQ(complaint_about_text("a" + repeated(". a", 50'000) + " = 1"), "bad.toml:1: syntax: more than 32 dots in a line");
  EXPECT_THAT(complaint_about_text("format = 1\n" + repeated("[[level]]\n", 20'000)), testing::StartsWith("bad.toml:1: name: is missing"));
  const std::string levels = replaced(kGood, "[[level]]", repeated("[[level]]\n", 9) + "[[level]]");
  EXPECT_THAT(complaint_about_text(levels), testing::HasSubstr("level: is not a list of 1 to 8 tables"));
}

TEST(ModelFile, TooManyLinksAreAnError) {
  std::string text = replaced(kGood, "kind = \"fat_tree\"\ndims = [2]\ndown = [64, 4]\noversubscription = [\"2:1\"]\n",
                              "kind = \"full_mesh\"\ndims = [16384]\n");
  text = replaced(text, "cube = \"4x4x4x2\"", "cube = \"4x4x4x16384\"");
  text = replaced(text, "chips = 128", "chips = 1048576");
  EXPECT_EQ(complaint_about_text(text), "bad.toml:1: level: good: level \"tree\" has more than 67108864 links");
  text = replaced(kGood, "down = [64, 4]\noversubscription = [\"2:1\"]", "down = [8, 2, 2]\nup = [1048576, 1048576]");
  EXPECT_THAT(complaint_about_text(text), testing::HasSubstr("level \"tree\" has more than 67108864 links"));
}

TEST(ModelFile, ThatCannotBeReadIsAnError) {
  for (const char* path : {"/no/such/file.toml", "/dev/zero", "/"}) {
    const Result<Model> model = read_model(path);
    ASSERT_FALSE(model) << path;
    EXPECT_EQ(model.error().code(), tuttiSystemError);
    EXPECT_THAT(model.error().message(), testing::HasSubstr(path));
  }
}

TEST(ModelFile, IsFoundInFoldersInTheirOrder) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / fmt::format("tutti-models-{}", ::getpid());
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "aws-trn2.toml") << kGood;
  const Result<Model> model = load_model("aws-trn2", folder.string() + ":" + models_folder());
  ASSERT_TRUE(model) << model.error().message();
  EXPECT_EQ(model->name, "good");
  EXPECT_TRUE(load_model("aws-trn1", folder.string() + ":" + models_folder()));
  EXPECT_TRUE(load_model((folder / "aws-trn2.toml").string() + ":cube", ""));
  std::filesystem::remove_all(folder);
}

// Damages a file in a few places: characters lost, doubled, changed, and pieces moved.
std::string damaged(std::string text, std::mt19937_64& random) {
  static constexpr std::string_view characters = "0123456789-.=[]{}\"'#\n\\ aexs%/:";
  for (uint64_t count = 1 + random() % 4; count > 0 && !text.empty(); --count) {
    const size_t at = random() % text.size();
    const size_t length = 1 + random() % 20;
    switch (random() % 5) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, text.substr(random() % text.size(), length));
        break;
      case 2:
        text[at] = characters[random() % characters.size()];
        break;
      case 3:
        text[at] = static_cast<char>(random());
        break;
      default:
        text.insert(at, std::to_string(random() >> (random() % 64)));
        break;
    }
  }
  return text;
}

TEST(ModelFile, DamagedOnesNeverDoHarm) {
  std::mt19937_64 random(4);  // NOLINT: the same run each time
  uint32_t good = 0;
  for (const ModelFile& file : list_models(models_folder())) {
    std::ifstream stream(file.path);
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    for (int round = 0; round < 60; ++round) {
      const Result<Model> model = parse_model(damaged(text, random), "damaged.toml");
      if (!model) {
        ASSERT_THAT(model.error().message(), testing::MatchesRegex("damaged\\.toml:[0-9]+: [^:]+: (.|\n)+"));
        continue;
      }
      ++good;
      const auto fabric = make_fabric(*model);
      ASSERT_TRUE(fabric);
      expect_connected(**fabric, 0, (*fabric)->chip_count() - 1, 0);
    }
  }
  EXPECT_GT(good, 0u);
}

TEST(Quantity, ReadsItsUnits) {
  EXPECT_EQ(parse_bandwidth("20.6 GB/s").value_or(0), 20'600'000'000u);
  EXPECT_EQ(parse_bandwidth("20.6GB/s").value_or(0), 20'600'000'000u);
  EXPECT_EQ(parse_bandwidth("48 GiB/s").value_or(0), uint64_t{48} << 30);
  EXPECT_EQ(parse_bandwidth("400 Gbit/s").value_or(0), 50'000'000'000u);
  EXPECT_EQ(parse_bandwidth("1 B/s").value_or(0), 1u);
  EXPECT_EQ(parse_duration("0.35 us").value_or(0), 350u);
  EXPECT_EQ(parse_duration("0 ns").value_or(1), 0u);
  EXPECT_EQ(parse_share("93.7 %").value_or(0), 937u);
  EXPECT_EQ(parse_ratio("1.75:1").value_or(0), 1750u);
}

TEST(Quantity, IsWrittenInTheUnitThatFits) {
  EXPECT_EQ(format_bandwidth(370'800'000'000), "370.8 GB/s");
  EXPECT_EQ(format_bandwidth(2'000'000'000'000), "2 TB/s");
  EXPECT_EQ(format_duration(350), "350 ns");
  EXPECT_EQ(format_duration(1'500), "1.5 us");
  EXPECT_EQ(format_share(937), "93.7 %");
}

}  // namespace
}  // namespace tutti::topology
