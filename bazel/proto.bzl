"""cc_grpc_library: .proto files of one folder become a cc_library, by Debian's protoc and its gRPC plugin.

    load("@chanpool//bazel:proto.bzl", "cc_grpc_library")
    cc_grpc_library(name = "orders", srcs = ["orders.proto"], deps = ["//proto/types"])

A .proto imports another, and C++ includes the result, by its path from the root of its workspace, or from the folder
`root` of it: "proto/orders/v1/orders.grpc.pb.h" or, with root = "proto", "orders/v1/orders.grpc.pb.h".
google/protobuf/*.proto needs no dependency.

embedded_descriptors puts the descriptors of such files, comments included, into a program.
"""

_ProtoFiles = provider(fields = {
    "direct": "list of the .proto files of the target itself",
    "files": "depset of .proto files, with those they import",
    "roots": "depset of directories in which protoc finds them",
})

def _protoc_impl(ctx):
    root = "/".join([part for part in [ctx.label.workspace_root, ctx.attr.root] if part]) or "."
    files = depset(ctx.files.srcs, transitive = [dep[_ProtoFiles].files for dep in ctx.attr.deps])
    roots = depset([root], transitive = [dep[_ProtoFiles].roots for dep in ctx.attr.deps])
    out_root = "/".join([part for part in [ctx.bin_dir.path, ctx.label.workspace_root, ctx.attr.root] if part])

    args = ctx.actions.args()
    args.add_all(roots, format_each = "-I%s")
    args.add(out_root, format = "--cpp_out=%s")
    if ctx.attr.services:
        args.add("--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin")
        args.add(out_root, format = "--grpc_out=generate_mock_code=true:%s")
    args.add_all(ctx.files.srcs)

    sources = []
    headers = []
    for src in ctx.files.srcs:
        stem = src.basename[:-len(".proto")]
        for suffix in [".pb", ".grpc.pb"] if ctx.attr.services else [".pb"]:
            sources.append(ctx.actions.declare_file(stem + suffix + ".cc"))
            headers.append(ctx.actions.declare_file(stem + suffix + ".h"))
        if ctx.attr.services:
            headers.append(ctx.actions.declare_file(stem + "_mock.grpc.pb.h"))

    ctx.actions.run(
        executable = "/usr/bin/protoc",
        arguments = [args],
        inputs = files,
        outputs = sources + headers,
        mnemonic = "Protoc",
        progress_message = "Generating C++ from %s" % ctx.label,
    )
    return [
        DefaultInfo(files = depset(sources + headers)),
        OutputGroupInfo(sources = depset(sources), headers = depset(headers)),
        _ProtoFiles(direct = ctx.files.srcs, files = files, roots = roots),
    ]

_protoc = rule(
    implementation = _protoc_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".proto"], mandatory = True),
        "deps": attr.label_list(providers = [_ProtoFiles]),
        "services": attr.bool(),
        "root": attr.string(),
    },
)

def _descriptor_set_impl(ctx):
    files = depset(transitive = [dep[_ProtoFiles].files for dep in ctx.attr.deps])
    roots = depset(transitive = [dep[_ProtoFiles].roots for dep in ctx.attr.deps])
    direct = [file for dep in ctx.attr.deps for file in dep[_ProtoFiles].direct]
    out = ctx.actions.declare_file(ctx.label.name + ".binpb")
    args = ctx.actions.args()
    args.add_all(roots, format_each = "-I%s")
    args.add_all(["--include_imports", "--include_source_info"])
    args.add(out, format = "--descriptor_set_out=%s")
    args.add_all(direct)
    ctx.actions.run(
        executable = "/usr/bin/protoc",
        arguments = [args],
        inputs = files,
        outputs = [out],
        mnemonic = "DescriptorSet",
    )
    return [DefaultInfo(files = depset([out]))]

_descriptor_set = rule(
    implementation = _descriptor_set_impl,
    attrs = {"deps": attr.label_list(providers = [_ProtoFiles], mandatory = True)},
)

def _generated(label):
    """The _protoc target behind the cc_grpc_library `label`, which may be in short form ("//proto/types")."""
    if ":" not in label:
        label += ":" + label.split("/")[-1]
    return label + "_protoc"

def cc_grpc_library(name, srcs, deps = [], services = True, root = "", visibility = None):
    """Generates and compiles messages and, with `services`, stubs, services and mock stubs.

    Args:
      name: of the cc_library.
      srcs: .proto files of this folder.
      deps: the cc_grpc_library targets whose files they import.
      services: False for files without a service.
      root: the folder of the workspace from which imports and includes begin; "": the workspace itself.
      visibility: as everywhere.
    """
    generated = name + "_protoc"
    _protoc(
        name = generated,
        srcs = srcs,
        deps = [_generated(dep) for dep in deps],
        services = services,
        root = root,
        visibility = visibility,
    )
    native.filegroup(name = name + "_sources", srcs = [generated], output_group = "sources")
    native.filegroup(name = name + "_headers", srcs = [generated], output_group = "headers")
    native.cc_library(
        name = name,
        srcs = [name + "_sources"],
        hdrs = [name + "_headers"],
        strip_include_prefix = "/" + root if root else None,
        copts = ["-w"],  # What the generators write is not ours to mend.
        deps = deps + ["@debian_grpc//:grpc++" if services else "@debian_protobuf//:protobuf"],
        visibility = visibility,
    )

def embedded_descriptors(name, deps, symbol, visibility = None):
    """A cc_library with the serialized FileDescriptorSet of `deps` and all they import, comments included.

    Its header, "<folder>/<name>.h", declares `absl::string_view <symbol>()`.

    Args:
      name: of the cc_library and of its header.
      deps: cc_grpc_library targets.
      symbol: the C++ function, in namespace chanpool.
      visibility: as everywhere.
    """
    _descriptor_set(name = name + "_set", deps = [_generated(dep) for dep in deps])
    native.genrule(
        name = name + "_bytes",
        srcs = [name + "_set"],
        outs = [name + ".cc", name + ".h"],
        cmd = """
            header=$(location {name}.h)
            {{ echo '// Serialized google.protobuf.FileDescriptorSet, made by bazel/proto.bzl.'
              echo '#pragma once'
              echo '#include "absl/strings/string_view.h"'
              echo 'namespace chanpool {{ absl::string_view {symbol}(); }}'; }} > $$header
            {{ echo '#include "{folder}/{name}.h"'
              echo 'namespace chanpool {{ namespace {{ constexpr unsigned char kBytes[] = {{'
              od -An -v -tu1 $(location {name}_set) | sed 's/[0-9][0-9]*/&,/g'
              echo '}}; }}'
              echo 'absl::string_view {symbol}() {{ return {{reinterpret_cast<const char*>(kBytes), sizeof(kBytes)}}; }} }}'
            }} > $(location {name}.cc)
        """.format(name = name, symbol = symbol, folder = native.package_name()),
    )
    native.cc_library(
        name = name,
        srcs = [name + ".cc"],
        hdrs = [name + ".h"],
        deps = ["@debian_absl//:strings"],
        visibility = visibility,
    )
