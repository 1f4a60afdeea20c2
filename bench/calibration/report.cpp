// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <cstdio>
#include <string>

namespace tutti::calibrate {
namespace {

struct Column {
  const char* key;
  const char* heading;
  double SizeFigures::*figure;
};

constexpr Column kColumns[] = {
    {"copy_plain_one_ns", "copy", &SizeFigures::copy_plain_one_ns},
    {"copy_nontemporal_one_ns", "copy nt", &SizeFigures::copy_nontemporal_one_ns},
    {"copy_plain_both_ns", "copy x2", &SizeFigures::copy_plain_both_ns},
    {"copy_nontemporal_both_ns", "copy nt x2", &SizeFigures::copy_nontemporal_both_ns},
    {"add_plain_one_ns", "add", &SizeFigures::add_plain_one_ns},
    {"add_nontemporal_one_ns", "add nt", &SizeFigures::add_nontemporal_one_ns},
    {"add_plain_both_ns", "add x2", &SizeFigures::add_plain_both_ns},
    {"add_nontemporal_both_ns", "add nt x2", &SizeFigures::add_nontemporal_both_ns},
    {"readv_one_ns", "readv", &SizeFigures::readv_one_ns},
    {"readv_both_ns", "readv x2", &SizeFigures::readv_both_ns},
    {"readv_add_both_ns", "readv+add", &SizeFigures::readv_add_both_ns},
    {"direct_plain_ns", "direct", &SizeFigures::direct_plain_ns},
    {"direct_nontemporal_ns", "direct nt", &SizeFigures::direct_nontemporal_ns},
    {"readv_all_reduce_ns", "by readv", &SizeFigures::readv_all_reduce_ns},
};

std::string size_text(std::size_t bytes) {
  if (bytes >= (std::size_t{1} << 20U)) return std::to_string(bytes >> 20U) + " MiB";
  if (bytes >= 1024) return std::to_string(bytes >> 10U) + " KiB";
  return std::to_string(bytes) + " B";
}

}  // namespace

void print_table(const Figures& figures) {
  std::printf("a cache line from core to core, one way: %.0f ns; both ways at once: %.0f ns\n", figures.line_one_way_ns, figures.line_exchange_ns);
  std::printf("loopback TCP, 8 B one way: %.1f us blocking, %.1f us polling; 1 MiB pieces: %.2f GB/s\n", figures.tcp_blocking_one_way_ns / 1e3,
              figures.tcp_polling_one_way_ns / 1e3, figures.tcp_bytes_per_s / 1e9);
  std::printf("huge pages for shared buffers: %s\n", figures.huge == Huge::taken ? "taken" : "refused");
  std::printf("allreduce of two by load and store, small:");
  for (const auto& [bytes, ns] : figures.small_direct_ns) std::printf("  %s %.2f us", size_text(bytes).c_str(), ns / 1e3);
  std::printf("\n\nGB/s of output for each core (copy, c = a + b, process_vm_readv; nt: non-temporal stores; x2: both cores at once);\n");
  std::printf("us for an allreduce of two: by direct load and store of shared buffers, and by process_vm_readv of private ones\n\n%9s", "size");
  for (const Column& column : kColumns) std::printf(" %10s", column.heading);
  std::printf("\n");
  for (const SizeFigures& row : figures.sizes) {
    std::printf("%9s", size_text(row.bytes).c_str());
    for (const Column& column : kColumns) {
      const double ns = row.*column.figure;
      const bool is_all_reduce = column.figure == &SizeFigures::direct_plain_ns || column.figure == &SizeFigures::direct_nontemporal_ns ||
                                 column.figure == &SizeFigures::readv_all_reduce_ns;
      if (ns < 0) {
        std::printf(" %10s", "refused");
      } else if (is_all_reduce) {
        std::printf(" %10.1f", ns / 1e3);
      } else {
        std::printf(" %10.2f", static_cast<double>(row.bytes) / ns);
      }
    }
    std::printf("\n");
  }
}

void print_json(const Figures& figures) {
  std::printf("{\"line_one_way_ns\": %.1f, \"line_exchange_ns\": %.1f,\n", figures.line_one_way_ns, figures.line_exchange_ns);
  std::printf(" \"tcp_blocking_one_way_ns\": %.0f, \"tcp_polling_one_way_ns\": %.0f, \"tcp_bytes_per_s\": %.0f,\n", figures.tcp_blocking_one_way_ns,
              figures.tcp_polling_one_way_ns, figures.tcp_bytes_per_s);
  std::printf(" \"huge_pages\": %s,\n \"small\": [", figures.huge == Huge::taken ? "true" : "false");
  const char* separator = "";
  for (const auto& [bytes, ns] : figures.small_direct_ns) {
    std::printf("%s{\"bytes\": %zu, \"direct_ns\": %.1f}", separator, bytes, ns);
    separator = ", ";
  }
  std::printf("],\n \"sizes\": [");
  separator = "\n";
  for (const SizeFigures& row : figures.sizes) {
    std::printf("%s  {\"bytes\": %zu", separator, row.bytes);
    for (const Column& column : kColumns) std::printf(", \"%s\": %.1f", column.key, row.*column.figure);
    std::printf("}");
    separator = ",\n";
  }
  std::printf("]}\n");
}

}  // namespace tutti::calibrate
