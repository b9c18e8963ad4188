"""Collections as real clients create them. Run in `.venv/clients`: `clients.py URL`.

Each client is given embeddings that are made up here, and creates its collections in its own way.
"""

from __future__ import annotations

import sys
import warnings

TEXTS = ["red shoes", "blue hats"]
SIZE = 8


def dense(text: str) -> list[float]:
    return [float(len(text) + i) for i in range(SIZE)]


def langchain(url: str) -> None:
    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings, SparseVector
    from qdrant_client import models

    class Dense(Embeddings):
        def embed_documents(self, texts):
            return [dense(text) for text in texts]

        def embed_query(self, text):
            return dense(text)

    class Sparse(SparseEmbeddings):
        def embed_documents(self, texts):
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text):
            return SparseVector(indices=[1, 2], values=[0.5, 1.0])

    def made(name: str, mode: RetrievalMode, **words):
        store = QdrantVectorStore.from_texts(
            TEXTS,
            Dense(),
            metadatas=[{"source": "a"}, {"source": "b"}],
            sparse_embedding=Sparse(),
            url=url,
            collection_name=f"langchain_{name}",
            retrieval_mode=mode,
            **words,
        )
        store.client.create_payload_index(
            f"langchain_{name}", "metadata.source", models.PayloadSchemaType.KEYWORD
        )

    made("dense", RetrievalMode.DENSE)
    made("sparse", RetrievalMode.SPARSE)
    made(
        "hybrid",
        RetrievalMode.HYBRID,
        vector_name="dense",
        sparse_vector_name="sparse",
        distance=models.Distance.DOT,
        vector_params={"on_disk": True, "hnsw_config": models.HnswConfigDiff(m=24)},
        sparse_vector_params={"modifier": models.Modifier.IDF},
        collection_create_options={
            "quantization_config": models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(type="int8", quantile=0.99)
            ),
            "metadata": {"made_by": "langchain"},
        },
    )


def llama_index(url: str) -> None:
    from llama_index.core.schema import TextNode
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient, models

    def sparse(texts):
        return [[1, 2] for _ in texts], [[0.5, 1.0] for _ in texts]

    def made(name: str, **words):
        store = QdrantVectorStore(
            collection_name=f"llama_{name}", client=QdrantClient(url=url), **words
        )
        store.add([TextNode(text=text, embedding=dense(text)) for text in TEXTS])

    made("dense")
    made(
        "hybrid",
        enable_hybrid=True,
        sparse_doc_fn=sparse,
        sparse_query_fn=sparse,
        dense_config=models.VectorParams(size=SIZE, distance=models.Distance.EUCLID),
        sparse_config=models.SparseVectorParams(index=models.SparseIndexParams(on_disk=True)),
        quantization_config=models.BinaryQuantization(
            binary=models.BinaryQuantizationConfig(always_ram=True)
        ),
        shard_number=2,
        payload_indexes=[
            {"field_name": "rank", "field_schema": models.PayloadSchemaType.INTEGER},
            {
                "field_name": "text",
                "field_schema": models.TextIndexParams(
                    type="text", tokenizer="prefix", min_token_len=2, lowercase=True
                ),
            },
        ],
    )


def haystack(url: str) -> None:
    from haystack import Document
    from haystack.dataclasses import SparseEmbedding
    from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

    def made(name: str, sparse: bool, **words):
        store = QdrantDocumentStore(
            url=url,
            index=f"haystack_{name}",
            embedding_dim=SIZE,
            use_sparse_embeddings=sparse,
            progress_bar=False,
            **words,
        )
        values = SparseEmbedding(indices=[1, 2], values=[0.5, 1.0]) if sparse else None
        store.write_documents(
            [
                Document(content=text, embedding=dense(text), sparse_embedding=values)
                for text in TEXTS
            ]
        )

    made("dense", sparse=False)
    made(
        "hybrid",
        sparse=True,
        sparse_idf=True,
        similarity="dot_product",
        on_disk=True,
        on_disk_payload=False,
        hnsw_config={"m": 0, "payload_m": 16},
        optimizers_config={"indexing_threshold": 0, "default_segment_number": 2},
        wal_config={"wal_capacity_mb": 16},
        payload_fields_to_index=[
            {"field_name": "meta.lang", "field_schema": {"type": "keyword", "is_tenant": True}},
            {"field_name": "meta.date", "field_schema": "datetime"},
        ],
    )


def mem0(url: str) -> None:
    from mem0.vector_stores.qdrant import Qdrant
    from qdrant_client import QdrantClient, models

    client = QdrantClient(url=url)
    Qdrant("mem0", SIZE, client=client)
    Qdrant("mem0_on_disk", SIZE, client=client, on_disk=True)
    # The client itself, with what late-interaction models need.
    client.create_collection(
        "client_multi",
        vectors_config={
            "colbert": models.VectorParams(
                size=SIZE,
                distance=models.Distance.COSINE,
                datatype=models.Datatype.FLOAT16,
                multivector_config=models.MultiVectorConfig(
                    comparator=models.MultiVectorComparator.MAX_SIM
                ),
                hnsw_config=models.HnswConfigDiff(m=0),
            ),
            "dense": models.VectorParams(size=SIZE, distance=models.Distance.MANHATTAN),
        },
        strict_mode_config=models.StrictModeConfig(enabled=True, max_query_limit=1000),
    )
    client.update_collection_aliases(
        [
            models.CreateAliasOperation(
                create_alias=models.CreateAlias(
                    collection_name="client_multi", alias_name="client_live"
                )
            )
        ]
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for create in (langchain, llama_index, haystack, mem0):
        create(sys.argv[1])
