"""How documents are executed: as graphql-core does, but for lists of texts."""

from typing import Any

from graphql import ExecutionContext, GraphQLList, GraphQLString


class Execution(ExecutionContext):
    """A list of texts is its own result. graphql-core completes it item by item, which for the ten numbers of a
    profile took a tenth of the request, and for a hundred as long as the rest."""

    def complete_list_value(self, return_type: GraphQLList, field_nodes, info, path, result: Any) -> Any:
        if _is_of_texts(return_type) and type(result) is list and all(type(item) is str for item in result):
            return result
        return super().complete_list_value(return_type, field_nodes, info, path, result)


def _is_of_texts(return_type: GraphQLList) -> bool:
    item_type = return_type.of_type
    return getattr(item_type, "of_type", item_type) is GraphQLString
