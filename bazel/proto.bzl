"""cc_grpc_library: .proto files of one folder become a cc_library, by Debian's protoc and its gRPC plugin.

    load("@chanpool//bazel:proto.bzl", "cc_grpc_library")
    cc_grpc_library(name = "orders", srcs = ["orders.proto"], deps = ["//proto/types"])

A .proto imports another, and C++ includes the result, by its path from the root of its workspace:
"proto/orders/v1/orders.grpc.pb.h". google/protobuf/*.proto needs no dependency.
"""

_ProtoFiles = provider(fields = {
    "files": "depset of .proto files, with those they import",
    "roots": "depset of directories in which protoc finds them",
})

def _protoc_impl(ctx):
    root = ctx.label.workspace_root or "."
    files = depset(ctx.files.srcs, transitive = [dep[_ProtoFiles].files for dep in ctx.attr.deps])
    roots = depset([root], transitive = [dep[_ProtoFiles].roots for dep in ctx.attr.deps])
    out_root = "/".join([part for part in [ctx.bin_dir.path, ctx.label.workspace_root] if part])

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
        _ProtoFiles(files = files, roots = roots),
    ]

_protoc = rule(
    implementation = _protoc_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".proto"], mandatory = True),
        "deps": attr.label_list(providers = [_ProtoFiles]),
        "services": attr.bool(),
    },
)

def _generated(label):
    """The _protoc target behind the cc_grpc_library `label`, which may be in short form ("//proto/types")."""
    if ":" not in label:
        label += ":" + label.split("/")[-1]
    return label + "_protoc"

def cc_grpc_library(name, srcs, deps = [], services = True, visibility = None):
    """Generates and compiles messages and, with `services`, stubs, services and mock stubs.

    Args:
      name: of the cc_library.
      srcs: .proto files of this folder.
      deps: the cc_grpc_library targets whose files they import.
      services: False for files without a service.
      visibility: as everywhere.
    """
    generated = name + "_protoc"
    _protoc(
        name = generated,
        srcs = srcs,
        deps = [_generated(dep) for dep in deps],
        services = services,
        visibility = visibility,
    )
    native.filegroup(name = name + "_sources", srcs = [generated], output_group = "sources")
    native.filegroup(name = name + "_headers", srcs = [generated], output_group = "headers")
    native.cc_library(
        name = name,
        srcs = [name + "_sources"],
        hdrs = [name + "_headers"],
        copts = ["-w"],  # What the generators write is not ours to mend.
        deps = deps + ["@debian_grpc//:grpc++" if services else "@debian_protobuf//:protobuf"],
        visibility = visibility,
    )
