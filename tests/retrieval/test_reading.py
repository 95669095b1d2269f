from collections.abc import Sequence
from dataclasses import dataclass, field

from owngpt.retrieval.reading import ReadingReranker
from owngpt.retrieval.rerank import WeightedQuery


@dataclass
class Model:
    asked: list[tuple[str, Sequence[str]]] = field(default_factory=list)

    def relevance(self, question: str, texts: Sequence[str]) -> list[float]:
        self.asked.append((question, texts))
        return [float(question in text) for text in texts]


def test_the_model_reads_the_whole_query_with_each_text() -> None:
    model = Model()
    query = WeightedQuery("mayor of Oslo", {"mayor": 1.0})
    assert ReadingReranker(model).scores(query, ["the mayor of Oslo", "Oslo"]) == [1.0, 0.0]
    assert model.asked == [("mayor of Oslo", ["the mayor of Oslo", "Oslo"])]
