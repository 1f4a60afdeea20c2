// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "json_report.hpp"
#include "rank.hpp"
#include "table.hpp"

namespace tutti::perf {
namespace {

using testing::HasSubstr;

Row example_row() {
  Row row{1024, 256, "float", "sum", -1, {}, {}};
  row.out_of_place = {.time_us = 12.345, .bandwidth = {1.5, 3}, .wrong = 0, .per_iteration = {}};
  row.in_place = {.time_us = 123456, .bandwidth = {0.004, 0.008}, .wrong = 17, .per_iteration = {}};
  return row;
}

TEST(Table, FitsNumbersIntoColumns) {
  EXPECT_EQ(fitted(0.5, 7), "   0.50");
  EXPECT_EQ(fitted(9999.994, 7), "9999.99");
  EXPECT_EQ(fitted(10728.83, 7), "10728.8");
  EXPECT_EQ(fitted(1234567, 7), "1234567");
  EXPECT_EQ(fitted(123456789, 7), "1.2e+08");
}

TEST(Table, RowHasTheColumnsOfNcclTests) {
  EXPECT_EQ(row_text(example_row()),
            "        1024           256     float     sum      -1    12.35    1.50    3.00       0   123456    0.00    0.01      17\n");
}

TEST(Table, SaysWhatWasNotMeasured) {
  Row row = example_row();
  row.out_of_place.wrong.reset();
  row.in_place.reset();
  EXPECT_EQ(row_text(row),
            "        1024           256     float     sum      -1    12.35    1.50    3.00     N/A      N/A     N/A     N/A     N/A\n");
}

TEST(Table, FooterSaysWhetherValuesWereWrong) {
  EXPECT_THAT(footer_text({}, {.failed_checks = 0, .bus_gb_per_s_sum = 3, .measurement_count = 2}),
              HasSubstr("# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 1.5\n"));
  EXPECT_THAT(footer_text({}, {.failed_checks = 4}), HasSubstr("# Out of bounds values : 4 FAILED\n"));
}

TEST(Table, HeaderNamesEachRank) {
  RunInfo run;
  run.ranks = {"Pid 11 on here", "Pid 22 on there"};
  EXPECT_THAT(header_text(run), HasSubstr("#  Rank  0 Pid 11 on here\n#  Rank  1 Pid 22 on there\n"));
}

class JsonFile : public testing::Test {
 protected:
  JsonFile() {
    std::string name = std::filesystem::temp_directory_path() / "tutti_perf_XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = name;
  }
  ~JsonFile() override { std::filesystem::remove_all(folder_); }

  RunInfo run() const {
    RunInfo run;
    run.program = "all_reduce_perf";
    run.options.output_file = folder_ / "out.json";
    return run;
  }

  std::filesystem::path folder_;
};

TEST_F(JsonFile, HoldsRowsAndSummary) {
  JsonReport report(run());
  report.add(example_row());
  report.finish({.failed_checks = 1, .bus_gb_per_s_sum = 3.008, .measurement_count = 2});
  std::ifstream file(report.path());
  const auto json = nlohmann::json::parse(file);
  ASSERT_EQ(json["results"].size(), 1u);
  EXPECT_EQ(json["results"][0]["size"], 1024);
  EXPECT_EQ(json["results"][0]["out_of_place"]["time"], 12.345);
  EXPECT_EQ(json["results"][0]["in_place"]["nwrong"], 17);
  EXPECT_EQ(json["out_of_bounds"]["okay"], false);
  EXPECT_DOUBLE_EQ(json["average_bus_bandwidth"]["bandwidth"], 1.504);
}

TEST_F(JsonFile, KeepsAnExistingFile) {
  const JsonReport first(run());
  const JsonReport second(run());
  const JsonReport third(run());
  EXPECT_EQ(second.path(), first.path() + ".0");
  EXPECT_EQ(third.path(), first.path() + ".1");
}

TEST_F(JsonFile, RefusesAPathThatCannotBeWritten) {
  RunInfo wrong = run();
  wrong.options.output_file = folder_ / "missing" / "out.json";
  EXPECT_THROW(JsonReport{wrong}, Failure);
}

}  // namespace
}  // namespace tutti::perf
