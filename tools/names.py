"""The global names that the code of a notebook's cell makes, reads and changes."""

import ast
import re
import symtable

MAGIC = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)
CHANGING = re.compile(
    r"append|extend|insert|remove|pop|popitem|clear|sort|reverse|add|discard|update|setdefault"
    r"|\w+_update|[a-z]\w*[a-z0-9]_"  # the last: in place, as torch writes it
)
GENERATORS = {"Generator", "default_rng", "RandomState"}
RUN_AT_ONCE = {"expect", "key"}  # who is handed a lambda and calls it before the cell ends


class Names(ast.NodeVisitor):
    """What a cell's code does with global names, taken from its syntax tree.

    Args:
        source: the code; lines of magic count as nothing.

    Attributes, all of them sets of names:
        made: bound here: assigned, imported, defined, or the variable of a loop.
        imported: those of them that an import binds.
        empty: those of them that are bound to None alone: placeholders.
        generators: those of them that hold a generator of random numbers.
        read: read before they are made here, so that the value is another cell's.
        later: read by a function, which may run when other cells have run.
        changed: another cell's, and changed in place: an item, an attribute, a list that grows.

    >>> Names("total = 2 * width").read
    {'width'}
    >>> sorted(Names("width = 3\\ndef area():\\n    return width * height").later)
    ['height', 'width']
    >>> Names("rows.append(3)").changed
    {'rows'}
    """

    def __init__(self, source):
        source = MAGIC.sub(r"\1pass", source)
        top = symtable.symtable(source, "cell", "exec")
        by_functions = {s.get_name() for s in _inner(top) if s.is_declared_global() and _binds(s)}
        self.made = by_functions | {s.get_name() for s in top.get_symbols() if _binds(s)}
        self.imported, self.generators = set(), set()
        self.read, self.later, self.changed = set(), set(), set()
        self._bound, self._filled = set(), by_functions  # as far as the code was visited
        self._hidden = set()  # the variables of comprehensions and lambdas
        self.visit(ast.parse(source))
        self.empty = self._bound - self._filled
        self.changed -= self.made

    def _bind(self, target, value=None):
        """Note that a target gets a value; None: an unknown one."""
        if isinstance(target, ast.Tuple | ast.List):
            fit = isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
            values = value.elts if fit else [None] * len(target.elts)
            for part, part_value in zip(target.elts, values, strict=True):
                self._bind(part, part_value)
        elif isinstance(target, ast.Name):
            self._name(target.id, value)
        else:
            self.visit(target)
            self._change(target)

    def _name(self, name, value=None):
        self._bound.add(name)
        if not (isinstance(value, ast.Constant) and value.value is None):
            self._filled.add(name)
        if _makes_generator(value):
            self.generators.add(name)

    def _change(self, node):
        if (name := _root(node)) and name not in self._bound | self._hidden:
            self.changed.add(name)

    def _all(self, *nodes):
        for node in nodes:
            self.visit(node)

    # ---- names, and what hides them

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Store):
            self._name(node.id)
        elif node.id not in self._bound | self._hidden:
            self.read.add(node.id)

    def _visit_hiding(self, names, *nodes):
        before, self._hidden = self._hidden, self._hidden | names
        self._all(*nodes)
        self._hidden = before

    def visit_ListComp(self, node):
        loops = node.generators
        self.visit(loops[0].iter)
        stored = {n.id for loop in loops for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        tests = [test for loop in loops for test in loop.ifs]
        self._visit_hiding(stored, *(loop.iter for loop in loops[1:]), *tests, *parts)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    # ---- what binds names

    def visit_Assign(self, node):
        self.visit(node.value)
        for target in node.targets:
            self._bind(target, node.value)

    def visit_AugAssign(self, node):
        if isinstance(node.target, ast.Name):
            self.visit(ast.Name(node.target.id, ast.Load()))
        self.visit(node.value)
        self._bind(node.target)

    def visit_Delete(self, node):
        for target in node.targets:
            self.visit(target)
            self._change(_changed(target))

    def visit_For(self, node):
        self.visit(node.iter)
        self._bind(node.target)
        self._all(*node.body, *node.orelse)

    def visit_If(self, node):  # what one branch alone binds may be another cell's
        self.visit(node.test)
        before, after = self._bound, []
        for branch in (node.body, node.orelse):
            self._bound = set(before)
            self._all(*branch)
            after.append(self._bound)
        self._bound = after[0] & after[1]

    def visit_Import(self, node):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            self._name(name)
            self.imported.add(name)

    visit_ImportFrom = visit_Import

    # ---- what runs later

    def _define(self, node, *at_once):
        """Note what a function or class reads and changes, wherever it runs."""
        self._all(*filter(None, at_once))
        read = {s.get_name() for s in _inner(_table(node)) if s.is_global()}
        self.later |= read
        self.changed |= read & set(map(_root, filter(None, map(_changed, ast.walk(node)))))

    def visit_FunctionDef(self, node):
        self._define(node, *node.decorator_list, *node.args.defaults, *node.args.kw_defaults)
        self._name(node.name)

    def visit_ClassDef(self, node):
        self._define(node, *node.decorator_list, *node.bases)
        self._name(node.name)

    def visit_Lambda(self, node):
        self._define(node, *node.args.defaults, *node.args.kw_defaults)

    def visit_Call(self, node):
        self._change(_changed(node))
        self.visit(node.func)
        handed = [(_last_name(node.func), part) for part in node.args]
        handed += [(keyword.arg, keyword.value) for keyword in node.keywords]
        for to, part in handed:
            if to in RUN_AT_ONCE and isinstance(part, ast.Lambda):
                self._all(*part.args.defaults)
                self._visit_hiding({argument.arg for argument in part.args.args}, part.body)
            else:
                self.visit(part)


def _binds(symbol):
    return symbol.is_assigned() or symbol.is_imported()


def _table(node):
    return symtable.symtable(ast.unparse(node), "cell", "exec")


def _inner(table):
    """The symbols of all scopes inside this one."""
    for inner in table.get_children():
        yield from inner.get_symbols()
        yield from _inner(inner)


def _root(node):
    """The name in `name.attribute[item]`; None if there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _last_name(node):
    """`load` of both `images.load` and `load`."""
    return getattr(node, "attr", getattr(node, "id", None))


def _changed(node):
    """What a node changes in place, if it does."""
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return node.value
    method = node.func if isinstance(node, ast.Call) else None
    if isinstance(method, ast.Attribute) and CHANGING.fullmatch(method.attr):
        return method.value
    return None


def _makes_generator(value):
    """Whether an expression is such as `torch.Generator().manual_seed(0)`."""
    while isinstance(value, ast.Call):
        if _last_name(value.func) in GENERATORS:
            return True
        value = getattr(value.func, "value", None)
    return False
