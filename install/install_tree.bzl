"""install_tree: a folder with what other build systems need of chanpool, laid out as below a prefix (make_tree.py).

One archive has the objects of `libraries` and of all they depend on in Bazel, so that a user links one file. Debian's
libraries are not among them: they are flags to Bazel, and the package files ask for them.
"""

def _objects(libraries):
    objects = []
    for dep in libraries:
        for linked in dep[CcInfo].linking_context.linker_inputs.to_list():
            for library in linked.libraries:
                # Position-independent ones: the archive may end up in a shared library of the user's.
                objects.append(depset(library.pic_objects or library.objects))
    return depset(transitive = objects)

def _install_tree_impl(ctx):
    tree = ctx.actions.declare_directory("tree")
    libraries = [dep[CcInfo].compilation_context for dep in ctx.attr.libraries]
    objects = _objects(ctx.attr.libraries)
    headers = depset(transitive = [library.headers for library in libraries])
    roots = depset(transitive = [
        paths
        for library in libraries
        for paths in [library.quote_includes, library.includes, library.system_includes]
    ])
    public = [header for library in libraries for header in library.direct_public_headers]
    version = ctx.attr.version[CcInfo].compilation_context.direct_public_headers

    args = ctx.actions.args()
    args.use_param_file("@%s", use_always = True)
    args.set_param_file_format("multiline")
    args.add(tree.path, format = "--tree=%s")
    args.add(version[0], format = "--version=%s")
    args.add_all(objects, format_each = "--object=%s")
    args.add_all(headers, format_each = "--header=%s")
    args.add_all(roots, format_each = "--root=%s")
    args.add_all(public, format_each = "--public=%s")
    args.add_all(ctx.files.programs, format_each = "--program=%s")
    args.add(ctx.file.completes, format = "--completes=%s")
    for template, place in ctx.attr.templates.items():
        args.add("--template=%s:%s" % (template.files.to_list()[0].path, place))

    ctx.actions.run(
        executable = "/usr/bin/python3",
        arguments = [ctx.file._make_tree.path, args],
        inputs = depset(
            [ctx.file._make_tree, ctx.file.completes] + version + public + ctx.files.programs + ctx.files.templates,
            transitive = [objects, headers],
        ),
        outputs = [tree],
        mnemonic = "InstallTree",
        progress_message = "Laying out what is installed",
    )
    return [DefaultInfo(files = depset([tree]), runfiles = ctx.runfiles([tree]))]

install_tree = rule(
    implementation = _install_tree_impl,
    attrs = {
        "libraries": attr.label_list(providers = [CcInfo], mandatory = True),
        "programs": attr.label_list(mandatory = True),
        "completes": attr.label(allow_single_file = True, doc = "The program that prints completions of itself."),
        "templates": attr.label_keyed_string_dict(allow_files = True, doc = "Template to its place in the tree."),
        "version": attr.label(providers = [CcInfo], doc = "Its one header says which version this is."),
        "_make_tree": attr.label(default = ":make_tree.py", allow_single_file = True),
    },
)
