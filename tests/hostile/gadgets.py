"""Pickles that ask for a call: every class of gadget that fickling and picklescan know, and the ways round deny lists."""

from hostile import opcodes as op
from hostile import valid, wires, zips
from hostile.cases import case

# module, name, an argument: harmless if it ever ran, and seen by the audit hook, which stops it
CALLS = (
    ("os", "system", "true"), ("posix", "system", "true"), ("nt", "system", "true"), ("os", "popen", "true"),
    ("os", "execl", "/bin/true"), ("subprocess", "Popen", "true"), ("subprocess", "check_output", "true"),
    ("builtins", "eval", "1"), ("builtins", "exec", "1"), ("builtins", "compile", "1"), ("builtins", "__import__", "this"),
    ("builtins", "getattr", "x"), ("builtins", "open", "/etc/hostname"), ("builtins", "breakpoint", "x"),
    ("builtins", "globals", "x"), ("builtins", "setattr", "x"), ("builtins", "apply", "x"), ("builtins", "print", "x"),
    ("__builtin__", "eval", "1"), ("__builtin__", "file", "/etc/hostname"), ("__main__", "x", "1"),
    ("operator", "attrgetter", "x"), ("operator", "methodcaller", "x"), ("_operator", "itemgetter", "x"),
    ("functools", "partial", "x"), ("functools", "reduce", "x"), ("itertools", "starmap", "x"),
    ("runpy", "run_path", "/etc/hostname"), ("runpy", "_run_code", "1"), ("pty", "spawn", "/bin/true"),
    ("webbrowser", "open", "about:blank"), ("importlib", "import_module", "this"), ("imp", "load_source", "x"),
    ("importlib.machinery", "SourceFileLoader", "x"), ("pkgutil", "resolve_name", "os:system"),
    ("torch", "load", "x"), ("torch.hub", "load", "x"), ("torch.serialization", "load", "x"),
    ("torch.storage", "_load_from_bytes", "x"), ("torch.jit", "load", "x"), ("torch.package", "PackageImporter", "x"),
    ("torch.jit.unsupported_tensor_ops", "execWrapper", "1"), ("torch.utils._config_module", "load_config", "x"),
    ("torch._inductor.codecache", "compile_file", "x"), ("torch.distributed.rpc.internal", "_run_function", "x"),
    ("torch.fx.experimental.symbolic_shapes.ShapeEnv", "evaluate_guards_expression", "1"),
    ("numpy.testing._private.utils", "runstring", "1"), ("numpy", "load", "x"), ("numpy", "fromfile", "/etc/hostname"),
    ("numpy.f2py.crackfortran", "getlincoef", "1"), ("numpy.core.multiarray", "_reconstruct", "x"),
    ("pip", "main", "list"), ("pip._internal", "main", "list"), ("ensurepip", "_run_pip", "x"), ("venv", "create", "x"),
    ("pdb", "run", "1"), ("bdb.Bdb", "run", "1"), ("timeit", "timeit", "1"), ("cProfile", "run", "1"), ("profile", "run", "1"),
    ("trace.Trace", "run", "1"), ("code.InteractiveInterpreter", "runcode", "1"), ("doctest", "debug_script", "1"),
    ("idlelib.pyshell.ModifiedInterpreter", "runcommand", "1"), ("lib2to3.pgen2.grammar", "Grammar", "x"),
    ("socket", "create_connection", "x"), ("ssl", "get_server_certificate", "x"), ("http.client", "HTTPSConnection", "x"),
    ("urllib.request", "urlopen", "file:///etc/hostname"), ("requests.api", "get", "x"), ("smtplib", "SMTP", "x"),
    ("shutil", "rmtree", "x"), ("sys", "exit", "0"), ("sys", "setprofile", "x"), ("signal", "raise_signal", "9"),
    ("ctypes", "CDLL", "libc.so.6"), ("_ctypes", "dlopen", "x"), ("cffi", "FFI", "x"), ("mmap", "mmap", "x"),
    ("multiprocessing.util", "spawnv_passfds", "x"), ("asyncio.unix_events", "_UnixSubprocessTransport", "x"),
    ("pickle", "loads", "x"), ("_pickle", "loads", "x"), ("pickle", "Unpickler", "x"), ("dill", "loads", "x"),
    ("cloudpickle.cloudpickle", "_builtin_type", "x"), ("joblib", "load", "x"), ("shelve", "open", "x"),
    ("marshal", "loads", "x"), ("types", "FunctionType", "x"), ("types", "CodeType", "x"), ("zipimport", "zipimporter", "x"),
    ("logging.config", "dictConfig", "x"), ("_io", "FileIO", "/etc/hostname"), ("io", "open", "/etc/hostname"),
    ("fileinput", "input", "/etc/hostname"), ("linecache", "getlines", "/etc/hostname"), ("pathlib", "Path", "x"),
    ("uuid", "_get_command_stdout", "true"), ("_osx_support", "_read_output", "true"), ("commands", "getoutput", "true"),
    ("distutils.file_util", "write_file", "x"), ("test.support.script_helper", "assert_python_ok", "x"),
    ("collections", "namedtuple", "x"), ("keras.models", "load_model", "x"), ("tensorflow", "io", "x"),
    ("copyreg", "_reconstructor", "x"), ("copyreg", "add_extension", "x"), ("copy_reg", "_reconstructor", "x"),
    ("weakref", "finalize", "x"), ("gc", "get_objects", "x"), ("inspect", "getattr_static", "x"), ("antigravity", "x", "x"),
    ("torch.nn.modules.linear", "Linear", "x"), ("torch._utils", "_rebuild_qtensor", "x"),
    ("torch._utils", "_rebuild_sparse_tensor", "x"), ("torch._utils", "_rebuild_wrapper_subclass", "x"),
    ("torch._utils", "_import_dotted_name", "os"), ("torch", "_utils", "x"), ("numpy", "dtype", "O8"),
)  # fmt: skip
# names that look like the few that are allowed
DISGUISES = (
    ("collections", "OrderedDict.__init__"), ("collections", "OrderedDict.fromkeys"), ("collections", "abc"),
    ("collections", "_sys.modules"), ("collections.OrderedDict", "__reduce_ex__"), ("torch._utils", "torch.load"),
    ("torch._utils", "_rebuild_tensor_v2.__globals__"), ("torch", "FloatStorage._new_with_weak_ptr"),
    ("torch", "FloatStorage.from_file"), ("torch", "Size.__class__"), ("torch.storage", "UntypedStorage.from_file"),
    ("", "eval"), ("builtins", ""), ("builtins.", "eval"), ("torch ", "Size"), ("COLLECTIONS", "OrderedDict"),
    ("_codecs", "decode"), ("_codecs", "lookup"), ("codecs", "encode"), ("builtins", "set.__class__"), ("torch\x00", "Size"),
    ("collections", "OrderedDict\u200b"), ("\uff4fs", "system"), ("torch._utils", "_rebuild_tensor_v2 "),
)  # fmt: skip
SYSTEM, TRUE = op.named("os", "system"), op.text("true")


def calls():
    """One torch file for each function that could be called."""
    for module, name, argument in CALLS:
        gadget = op.calling(op.named(module, name), op.text(argument))
        yield f"{module}.{name}", op.state_dict(gadget)


def disguises():
    """Allowed names with something before, after or within them."""
    for index, (module, name) in enumerate(DISGUISES):
        gadget = op.stacked(module, name) + op.EMPTY_TUPLE + op.REDUCE
        yield f"disguise-{index:02}", op.state_dict(gadget, version=4)


def ways():
    """os.system asked for by every opcode that can ask."""
    pushed = op.text("os") + op.put(7) + op.POP + op.text("system") + op.put(8) + op.POP
    yield "inst", op.state_dict(op.MARK + b"V" + b"true\nios\nsystem\n")
    yield "obj", op.state_dict(op.MARK + SYSTEM + TRUE + op.OBJ)
    yield "newobj", op.state_dict(SYSTEM + op.of(TRUE) + op.NEWOBJ)
    yield "newobj-ex", op.state_dict(SYSTEM + op.of(TRUE) + op.EMPTY_DICT + op.NEWOBJ_EX, version=4)
    yield "global-alone", op.state_dict(SYSTEM)
    yield "global-popped", op.state_dict(SYSTEM + op.POP + op.NONE)
    yield "reduce-popped", op.state_dict(op.calling(SYSTEM, TRUE) + op.POP + op.NONE)
    yield "popped-by-mark", op.state_dict(op.MARK + op.calling(SYSTEM, TRUE) + b"1" + op.NONE)
    yield "stack-global", op.state_dict(op.calling(op.stacked("os", "system"), TRUE), version=4)
    yield (
        "stack-global-from-memo",
        op.state_dict(pushed + op.calling(op.get(7) + op.get(8) + op.STACK_GLOBAL, TRUE), version=4),
    )
    again = op.text("collections") + op.put(7) + op.POP + op.text("os") + op.put(7) + op.POP
    yield (
        "memo-written-twice",
        op.state_dict(again + op.calling(op.get(7) + op.short("system") + op.STACK_GLOBAL, TRUE), version=4),
    )
    yield "stack-global-duplicated", op.state_dict(op.short("os") + op.DUP + op.STACK_GLOBAL, version=4)
    yield "function-from-memo", op.state_dict(SYSTEM + op.put(9) + op.POP + op.calling(op.get(9), TRUE))
    state = op.EMPTY_DICT + op.text("__setstate__") + SYSTEM + op.SETITEM
    yield "build-setstate", op.state_dict(op.mapping() + state + op.BUILD + TRUE + op.BUILD)
    yield "build-setstate-of-class", op.state_dict(op.ORDERED + state + op.BUILD)
    yield "build-dict-and-slots", op.state_dict(op.tensor() + op.NONE + state + op.TUPLE2 + op.BUILD)
    yield "setitem-on-class", op.state_dict(op.ORDERED + op.text("x") + SYSTEM + op.SETITEM)
    yield "append-calls-extend", op.state_dict(SYSTEM + TRUE + op.APPEND)
    yield (
        "reduce-of-result",
        op.state_dict(op.calling(op.calling(op.named("builtins", "getattr"), op.ORDERED, op.text("x")))),
    )
    yield (
        "rebuild-parameter-with-hooks",
        op.state_dict(
            op.calling(op.named("torch._utils", "_rebuild_parameter"), op.tensor(), op.TRUE, op.calling(SYSTEM, TRUE))
        ),
    )
    yield "argument-of-allowed", op.state_dict(op.calling(op.ORDERED, op.calling(SYSTEM, TRUE)))
    yield (
        "storage-class",
        op.state_dict(op.of(op.text("storage"), SYSTEM, op.text("0"), op.text("cpu"), op.number(4)) + op.BINPERSID),
    )
    yield (
        "storage-location",
        op.state_dict(
            op.of(
                op.text("storage"),
                op.named("torch", "FloatStorage"),
                op.text("0"),
                op.calling(SYSTEM, TRUE),
                op.number(4),
            )
            + op.BINPERSID
        ),
    )
    yield "proto0", b"cos\nsystem\n(S'true'\ntR."
    yield "proto0-inst", b"(S'true'\nios\nsystem\n."
    yield "proto0-eval", b"c__builtin__\neval\n(V1\ntR."
    yield "proto1", b"(cos\nsystem\nU\x04truetR."
    yield "as-dictionary-key", op.proto() + op.EMPTY_ORDERED + op.calling(SYSTEM, TRUE) + op.NONE + op.SETITEM + op.STOP
    yield "before-the-dictionary", op.proto() + op.calling(SYSTEM, TRUE) + op.POP + op.state_dict()[2:]
    yield "after-the-dictionary", op.state_dict()[:-1] + op.calling(SYSTEM, TRUE) + op.POP + op.STOP
    yield (
        "in-frames",
        op.proto(4) + b"\x95" + (30).to_bytes(8, "little") + op.calling(op.stacked("os", "system"), TRUE) + op.STOP,
    )
    for width, code in ((1, b"\x82"), (2, b"\x83"), (4, b"\x84")):
        yield f"ext{width}", op.state_dict(op.calling(code + (1).to_bytes(width, "little"), TRUE))


def everywhere():
    """The same gadget in each part of a legacy stream, in files that are no torch files, and beside a good model."""
    gadget = op.proto() + op.calling(SYSTEM, TRUE) + op.STOP
    for index, part in enumerate(("magic", "protocol", "sys-info", "object", "keys")):
        parts = valid.legacy_parts()
        parts[index] = gadget
        yield case(
            f"pickle/legacy-{part}.pt", valid.legacy(parts), "executable", *(["damaged"] if index in (1, 2) else [])
        )
    body = op.proto() + op.EMPTY_DICT + op.text("x") + op.calling(SYSTEM, TRUE) + op.SETITEM + op.STOP
    parts = valid.legacy_parts()
    parts[2] = body
    yield case("pickle/legacy-within-sys-info.pt", valid.legacy(parts), "executable")
    for number in (0, 1, 2, 3, 4, 5):
        whole = (b"" if number < 2 else op.proto(number)) + op.calling(SYSTEM, TRUE) + op.STOP
        yield case(
            f"pickle/bare-protocol-{number}.pkl", whole, "executable", *(["unknown-format"] if number < 2 else [])
        )
    yield case("pickle/bare-as.bin", gadget, "executable")
    yield case("pickle/bare-as.safetensors", gadget, "executable")
    yield case("pickle/bare-as.npz", gadget, "executable")
    yield case("pickle/bare-before-a-zip.pt", gadget + valid.torch(), "executable")
    yield case(
        "pickle/npy-of-objects.npy",
        wires.npy(wires.described("'|O'", "(1,)"), gadget),
        "unsupported-type",
        "executable",
    )
    member = zips.Member(b"x.npy", wires.npy(wires.described("'|O'", "(1,)"), gadget))
    yield case("pickle/npz-of-objects.npz", zips.archive(member), "unsupported-type", "executable")
    beside = zips.Member(b"archive/other.pkl", gadget)
    bad = zips.torch_members(op.state_dict(op.calling(SYSTEM, TRUE)))
    yield case("pickle/beside-others.pt", zips.archive(*bad, beside), "executable")
    wrong = (zips.Member(bad[0].name, bad[0].data, crc=1), *bad[1:])
    yield case("pickle/bad-crc.pt", zips.archive(*wrong), "damaged", "executable")
    packed = (zips.Member(bad[0].name, bad[0].data, method=zips.DEFLATED), *bad[1:])
    yield case("pickle/compressed.pt", zips.archive(*packed), "executable", "damaged", "packing")
    flagged = (zips.Member(bad[0].name, bad[0].data, flags=1), *bad[1:])
    yield case("pickle/encrypted-flag.pt", zips.archive(*flagged), "damaged", "executable", "packing")
    for kind in ("data.pkl", "deep/er/data.pkl"):
        yield case(
            f"pickle/root-{kind.replace('/', '-')}.pt",
            zips.archive(zips.Member(kind.encode(), gadget)), "executable", "damaged", "unknown-format",
        )  # fmt: skip


def cases():
    for name, pickled in (*calls(), *disguises(), *ways()):
        # torch's own ways to make tensors that are not read are called so; numpy.dtype is known, "O8" is none of its kinds
        others = ("unsupported-type", "damaged") if name.startswith(("torch._utils._rebuild", "numpy.dtype")) else ()
        yield case(f"pickle/{name}.pt", zips.torch_zip(pickled), "executable", *others)
    yield from everywhere()
