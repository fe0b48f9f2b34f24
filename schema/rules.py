"""How large a document may be. Measured before validation, whose own cost grows with the document."""

from collections.abc import Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
)

MAX_TOKENS = 500  # our longest own document has 100, GraphiQL's introspection 200
MAX_DEPTH = 15  # the schema is 6 deep; introspection goes down 15
MAX_FIELDS = 250  # GraphiQL's introspection, written out, has 230
MAX_ALIASES = 10
MAX_DIRECTIVES = 10  # not counted where the schema itself is asked about
INTROSPECTION = {"__schema", "__type"}


def limit_violations(document: DocumentNode) -> list[GraphQLError]:
    """What is too much about a document; empty when it is within every bound."""
    return [GraphQLError(message) for message in _messages(_Measure(document))]


def _messages(measure: "_Measure") -> Iterator[str]:
    if measure.depth > MAX_DEPTH:
        yield f"Fields are nested more than {MAX_DEPTH} deep."
    if measure.fields > MAX_FIELDS:
        yield f"There are more than {MAX_FIELDS} fields, fragments counted wherever they are spread."
    if measure.aliases > MAX_ALIASES:
        yield f"There are more than {MAX_ALIASES} aliases, fragments counted wherever they are spread."
    if measure.directives > MAX_DIRECTIVES:
        yield f"There are more than {MAX_DIRECTIVES} directives, fragments counted wherever they are spread."
    if measure.has_mutation and measure.root_fields > 1:
        yield "A document with a mutation has one root field, over all its operations and fragments."


class _Size:
    """Of one selection set with everything it spreads. Numbers of what would be there if fragments were written out."""

    def __init__(self) -> None:
        self.depth = self.fields = self.aliases = self.directives = self.root_fields = 0

    def add(self, other: "_Size", *, below_a_field: bool) -> None:
        self.depth = max(self.depth, other.depth + below_a_field)
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.root_fields += 0 if below_a_field else other.root_fields


class _Measure(_Size):
    """Of a whole document: the sum of its operations."""

    def __init__(self, document: DocumentNode):
        super().__init__()
        definitions = document.definitions
        operations = [node for node in definitions if isinstance(node, OperationDefinitionNode)]
        self._fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
        self._of_fragment: dict[str, _Size] = {}
        self.has_mutation = any(node.operation is OperationType.MUTATION for node in operations)
        for operation in operations:
            self.directives += len(operation.directives)
            self.add(self._of(operation.selection_set), below_a_field=False)

    def _of(self, selection_set: SelectionSetNode | None) -> _Size:
        size = _Size()
        for node in selection_set.selections if selection_set else ():
            self._count(node, size)
        return size

    def _count(self, node: SelectionNode, size: _Size) -> None:
        size.directives += len(node.directives)
        if isinstance(node, FieldNode):
            size.fields += 1
            size.root_fields += 1
            size.aliases += node.alias is not None
            size.depth = max(size.depth, 1)
            below = self._of(node.selection_set)
            if node.name.value in INTROSPECTION:  # sgqlc asks for each description with a directive
                below.directives = 0
            size.add(below, below_a_field=True)
        elif isinstance(node, FragmentSpreadNode):
            size.add(self._spread(node.name.value), below_a_field=False)
        else:
            size.add(self._of(node.selection_set), below_a_field=False)

    def _spread(self, name: str) -> _Size:
        """Measured once, however often it is spread. One that spreads itself is refused by validation later."""
        if name not in self._of_fragment:
            self._of_fragment[name] = _Size()
            fragment = self._fragments.get(name)
            self._of_fragment[name] = self._of(fragment.selection_set if fragment else None)
        return self._of_fragment[name]
