"""What chanpool is built on: the libraries of Debian 12's packages, as Bazel repositories. Nothing is downloaded.

    load("@chanpool//bazel:deps.bzl", "chanpool_deps")
    chanpool_deps()

Labels: @debian_grpc//:grpc++, @debian_protobuf//:protobuf, @debian_absl//:strings (status, time, ...),
@debian_gtest//:gtest_main. Every target is complete: it names what it needs to link.
A workspace that declares a repository of the same name first keeps its own.
"""

def _debian_library_impl(ctx):
    if not ctx.path("/usr/include/" + ctx.attr.header).exists:
        fail("\n\n/usr/include/{header} is missing. Run:\n\n    sudo apt install {package}\n\n".format(
            header = ctx.attr.header,
            package = ctx.attr.package,
        ))
    build = ["package(default_visibility = [\"//visibility:public\"])"]
    for name, libs in ctx.attr.targets.items():
        # No hdrs: /usr/include is the compiler's own directory, which Bazel lets every compilation see.
        build.append("cc_library(name = {name}, linkopts = {linkopts}, deps = {deps})".format(
            name = repr(name),
            linkopts = repr(["-l" + lib for lib in libs]),
            deps = repr(ctx.attr.target_deps.get(name, [])),
        ))
    ctx.file("BUILD.bazel", "\n".join(build) + "\n")

_debian_library = repository_rule(
    implementation = _debian_library_impl,
    local = True,  # Looked at again by each new Bazel server, so that apt install is enough.
    attrs = {
        "package": attr.string(mandatory = True, doc = "What apt installs."),
        "header": attr.string(mandatory = True, doc = "Below /usr/include; there when the package is."),
        "targets": attr.string_list_dict(mandatory = True, doc = "Target to the libraries it links."),
        "target_deps": attr.string_list_dict(doc = "Target to further targets it needs."),
    },
)

def _shim_impl(ctx):
    for path, text in ctx.attr.files.items():
        ctx.file(path, text)

# A repository that consists of the given files. A local_repository would not do: its path would be taken from the root
# of whoever uses chanpool.
_shim = repository_rule(
    implementation = _shim_impl,
    attrs = {"files": attr.string_dict(mandatory = True)},
)

def _debian_grpc_proto_impl(ctx):
    for library, files in ctx.attr.libraries.items():
        folder, name = library.rsplit(":", 1)
        for file in files:
            installed = ctx.path("/usr/share/grpc-proto/{}/{}".format(folder, file))
            if not installed.exists:
                fail("\n\n{} is missing. Run:\n\n    sudo apt install grpc-proto\n\n".format(installed))
            ctx.file("{}/{}".format(folder, file), ctx.read(installed))
        ctx.file(folder + "/BUILD.bazel", _GRPC_PROTO.format(
            # By the name that our repository has in whichever workspace loads this; "@" alone is that workspace.
            proto_bzl = "@{}//bazel:proto.bzl".format(Label("//bazel:proto.bzl").workspace_name),
            name = name,
            srcs = files,
        ))

# gRPC's own service definitions, from Debian's package of them. Copied: protoc's import root must be in the build tree.
_debian_grpc_proto = repository_rule(
    implementation = _debian_grpc_proto_impl,
    local = True,
    attrs = {"libraries": attr.string_list_dict(mandatory = True, doc = "folder:library, one a folder, to its files.")},
)

_GRPC_PROTO = """
load("{proto_bzl}", "cc_grpc_library")
cc_grpc_library(name = "{name}", srcs = {srcs}, visibility = ["//visibility:public"])
"""

# Bazel 4.2 asks for @rules_cc even where only native rules are used, and would download it. Debian's bazel-rules-cc is
# too new for Debian's Bazel.
_RULES_CC = "".join(["{rule} = native.{rule}\n".format(rule = rule) for rule in [
    "cc_binary",
    "cc_import",
    "cc_library",
    "cc_proto_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_suite",
    "fdo_prefetch_hints",
    "fdo_profile",
    "objc_import",
    "objc_library",
]])

# Every cc_test names these two, whether coverage is measured or not.
_COVERAGE_TOOLS = """
package(default_visibility = ["//visibility:public"])
filegroup(name = "coverage_report_generator")
filegroup(name = "lcov_merger")
"""

# Bazel looks into these for any build, and would download them too; Debian packages them.
_DEBIAN_RULES = {
    "rules_java": "/usr/share/bazel/rules/java",
}

def _absent(name):
    return native.existing_rule(name) == None

def chanpool_deps():
    """Declares every repository that chanpool needs and the workspace does not have yet."""
    if _absent("rules_cc"):
        _shim(name = "rules_cc", files = {"BUILD.bazel": "", "cc/BUILD.bazel": "", "cc/defs.bzl": _RULES_CC})
    if _absent("remote_coverage_tools"):
        _shim(name = "remote_coverage_tools", files = {"BUILD.bazel": _COVERAGE_TOOLS})
    for name, path in _DEBIAN_RULES.items():
        if _absent(name):
            native.local_repository(name = name, path = path)

    if _absent("debian_grpc"):
        _debian_library(
            name = "debian_grpc",
            package = "libgrpc++-dev",
            header = "grpcpp/grpcpp.h",
            targets = {"grpc++": ["grpc++", "grpc", "gpr"]},
            # The callback API's headers inline absl::Mutex.
            target_deps = {"grpc++": ["@debian_protobuf//:protobuf", "@debian_absl//:synchronization"]},
        )
    if _absent("debian_protobuf"):
        _debian_library(
            name = "debian_protobuf",
            package = "libprotobuf-dev protobuf-compiler protobuf-compiler-grpc",
            header = "google/protobuf/message.h",
            targets = {"protobuf": ["protobuf", "pthread"]},
        )
    if _absent("debian_absl"):
        _debian_library(
            name = "debian_absl",
            package = "libabsl-dev",
            header = "absl/base/config.h",
            # One target for each family of headers, named as in Abseil's own build.
            targets = {
                "base": ["absl_base", "absl_raw_logging_internal", "absl_spinlock_wait", "absl_throw_delegate"],
                "cord": ["absl_cord", "absl_cord_internal", "absl_cordz_functions", "absl_cordz_handle", "absl_cordz_info"],
                "flat_hash_map": ["absl_raw_hash_set", "absl_hashtablez_sampler"],
                "hash": ["absl_hash", "absl_city", "absl_low_level_hash"],
                "random": [
                    "absl_random_distributions",
                    "absl_random_internal_platform",
                    "absl_random_internal_pool_urbg",
                    "absl_random_internal_randen",
                    "absl_random_internal_randen_hwaes",
                    "absl_random_internal_randen_hwaes_impl",
                    "absl_random_internal_randen_slow",
                    "absl_random_internal_seed_material",
                    "absl_random_seed_gen_exception",
                    "absl_random_seed_sequences",
                ],
                "status": ["absl_status"],
                "statusor": ["absl_statusor", "absl_bad_variant_access"],
                "strings": ["absl_strings", "absl_strings_internal", "absl_str_format_internal", "absl_int128"],
                "synchronization": ["absl_synchronization", "pthread"],
                "time": ["absl_time", "absl_time_zone", "absl_civil_time"],
            },
            target_deps = {
                "cord": [":strings"],
                "flat_hash_map": [":hash"],
                "hash": [":strings"],
                "random": [":strings"],
                "status": [":cord"],
                "statusor": [":status"],
                "strings": [":base"],
                "synchronization": [":time"],
                "time": [":strings"],
            },
        )
    if _absent("debian_gtest"):
        _debian_library(
            name = "debian_gtest",
            package = "libgtest-dev libgmock-dev",
            header = "gmock/gmock.h",
            targets = {"gtest": ["gmock", "gtest", "pthread"], "gtest_main": ["gtest_main"]},
            target_deps = {"gtest_main": [":gtest"]},
        )
    if _absent("debian_grpc_proto"):
        _debian_grpc_proto(
            name = "debian_grpc_proto",
            libraries = {
                "grpc/health/v1:health": ["health.proto"],
                "grpc/reflection/v1:reflection": ["reflection.proto"],
                "grpc/reflection/v1alpha:reflection": ["reflection.proto"],
                # The service of gRPC's interoperability tests.
                "grpc/testing:test": ["empty.proto", "messages.proto", "test.proto"],
            },
        )
    if _absent("debian_openssl"):
        _debian_library(
            name = "debian_openssl",
            package = "libssl-dev",
            header = "openssl/x509.h",
            targets = {"crypto": ["crypto"]},
        )
    if _absent("debian_yaml"):
        _debian_library(
            name = "debian_yaml",
            package = "libyaml-cpp-dev",
            header = "yaml-cpp/yaml.h",
            targets = {"yaml-cpp": ["yaml-cpp"]},
        )
    if _absent("debian_prometheus"):
        _debian_library(
            name = "debian_prometheus",
            package = "prometheus-cpp-dev",
            header = "prometheus/registry.h",
            targets = {"core": ["prometheus-cpp-core"]},
        )
    if _absent("debian_boost"):
        _debian_library(
            name = "debian_boost",
            package = "libboost-dev",
            header = "boost/beast.hpp",
            targets = {"beast": ["pthread"]},
        )
    if _absent("debian_cares"):
        _debian_library(
            name = "debian_cares",
            package = "libc-ares-dev",
            header = "ares.h",
            targets = {"cares": ["cares"]},
        )
    if _absent("debian_cli11"):
        _debian_library(
            name = "debian_cli11",
            package = "libcli11-dev",
            header = "CLI/CLI.hpp",
            targets = {"cli11": []},
        )
