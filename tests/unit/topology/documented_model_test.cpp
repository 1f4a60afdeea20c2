// SPDX-License-Identifier: Apache-2.0
// docs/topologies.md: its example is a good model with the numbers that the page gives, and it names every key.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <regex>

#include "fabric_support.hpp"

namespace tutti::topology {
namespace {

std::string page() {
  std::ifstream file(std::string(TUTTI_SOURCE_DIR) + "/docs/topologies.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string example() {
  const std::string text = page();
  const size_t begin = text.find("```toml\n") + 8;
  return text.substr(begin, text.find("```\n", begin) - begin);
}

TEST(DocumentedModel, IsWhatThePageSays) {
  const Result<Model> model = parse_model(example(), "example.toml");
  ASSERT_TRUE(model) << model.error().message();
  const auto fabric = make_fabric(*model);
  ASSERT_TRUE(fabric);
  EXPECT_EQ((*fabric)->chip_count(), 64u);
  EXPECT_EQ((*fabric)->link_count(), 416u);
  Route route;
  (*fabric)->route(0, 4, 0, &route);
  EXPECT_EQ(route.latency_ns, 400u);
  EXPECT_EQ((*fabric)->route_count(0, 4), 1u);
  (*fabric)->route(0, 63, 7, &route);
  EXPECT_EQ(route.latency_ns, 1'200u);
  EXPECT_EQ((*fabric)->route_count(0, 63), 8u);
  for (uint32_t target = 0; target < 64; ++target) {
    expect_connected(**fabric, 9, target, 0);
  }
  Model full = *model;
  EXPECT_TRUE(apply_shape(&full, "full").ok());
  EXPECT_EQ(full.chip_count(), 512u);
}

// What the reader knows, from its own message about a key that it does not know.
TEST(DocumentedModel, PageNamesEveryKey) {
  const std::string text = page();
  for (const char* kind : {"full_mesh", "switch", "ring", "torus", "mesh", "fat_tree", "dragonfly", "rails"}) {
    std::string file = example().substr(0, example().find("[[level]]"));
    file += std::string("[[level]]\nname = \"x\"\nkind = \"") + kind + "\"\ndims = [1]\nsource = \"sheet\"\n" +
            "effective = { value = \"1 GB/s\", source = \"sheet\" }\nhop_latency = { value = \"1 us\", source = \"sheet\" }\nwrap = \"all\"\n" +
            "down = [1]\ngroups = 1\nunits_per_group = 1\nswitches_per_group = 1\nlinks_per_pair = 1\nunknown = 1\n" +
            "protocols = [ { name = \"x\", step = \"1 us\", source = \"sheet\", efficiency = { value = \"1 %\", source = \"sheet\" } } ]\n";
    const Result<Model> model = parse_model(file, "example.toml");
    ASSERT_FALSE(model);
    const std::string message = model.error().message();
    const size_t list = message.find("known here: ");
    ASSERT_NE(list, std::string::npos) << message;
    const std::regex word("[a-z_]+");
    const std::string keys = message.substr(list + 12);
    for (std::sregex_iterator key(keys.begin(), keys.end(), word), end; key != end; ++key) {
      EXPECT_THAT(text, testing::HasSubstr("`" + key->str() + "`")) << kind;
    }
  }
}

}  // namespace
}  // namespace tutti::topology
