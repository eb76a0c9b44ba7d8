"""The identities stage: names become people; ambiguous and leaked people are dropped."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.corrections.correction import detail_of
from pipelines.corrections.effects import CORRECTIONS, effects_in
from pipelines.corrections.locating import ReadColumns
from pipelines.detection.devices import choose_device
from pipelines.identity import duplicates
from pipelines.identity.adjustments import NO_ADJUSTMENTS, Adjustments
from pipelines.identity.centroids import Centroids
from pipelines.identity.copies_across import KeptPictures, find_copies
from pipelines.identity.gallery_file import read_gallery
from pipelines.identity.members import BuildMembers, ShardMembers
from pipelines.identity.near_copies import (
    NEAR_COPIES,
    DroppedCopy,
    dropped,
    near_copies_table,
)
from pipelines.identity.people_faces import faces_of_people
from pipelines.identity.person_ids import PERSON_IDS, PersonIds
from pipelines.identity.resolution import Decision, ResolvedPeople, resolve
from webbody.build_records import read_build
from webbody.config import WORKER, IdentitiesSettings, WorkerResources

TOO_FEW, DUPLICATE = "identity:too-few", "identity:duplicate-of"

SHARD = pa.schema(
    [
        ("crop", pa.string()),
        ("key", pa.string()),
        ("sample", pa.string()),
        ("person", pa.int64()),
        ("outcome", pa.string()),
        ("detail", pa.string()),
        ("similarity", pa.float32()),
    ]
)
PEOPLE = pa.schema(
    [
        ("person", pa.int64()),
        ("images", pa.int32()),
        ("names", pa.list_(pa.string())),
        ("names_merged", pa.int32()),
        ("outcome", pa.string()),
    ]
)
PAIRS = pa.schema(
    [
        ("name_a", pa.string()),
        ("name_b", pa.string()),
        ("similarity", pa.float32()),
        ("decision", pa.string()),
    ]
)


class Identities(Stage[IdentitiesSettings]):
    """The final label table: merges, doubtful people, leaks, duplicates (facts of the pipeline).

    `person` is an id that stays (`PersonIds`); it is null wherever there is an outcome, and
    depends neither on names nor on the order of shards. `sample` is the key under which a crop is
    packed. `similarity` is the cosine that decided an outcome. people.parquet lists the dropped
    people too, without an id; pairs.parquet says what became of every similar pair;
    near-copies.parquet has the photos that stand under two people or are pictures of a gallery;
    person-ids.parquet is what a complete build remembers. What people said about pictures
    (`corrections`) wins over all thresholds, is named in `detail` where it decided, and is told
    in corrections.parquet.
    """

    name = "identities"
    needs = ("download", "persons", "faces", "clusters")
    version = 4  # copies whose margins were cut; photos of galleries

    def __init__(self, settings: IdentitiesSettings, resources: WorkerResources = WORKER) -> None:
        super().__init__(settings, resources)
        self.galleries = [read_gallery(path) for path in settings.galleries]
        self.device = choose_device(resources.device)

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        adjust = NO_ADJUSTMENTS
        if self.corrections:
            effects = effects_in(inputs.shards, self.corrections, _columns(inputs))
            adjust = effects.adjustments
        centres = Centroids.read(inputs, adjust)
        for gallery in self.galleries:
            gallery.check(centres.embedder, centres.vectors.shape[1] if centres.names else None)
        resolved = resolve(
            centres,
            self.galleries,
            similar=self.settings.similar,
            ambiguous=self.settings.ambiguous,
            leak=self.settings.leak,
            device=self.device,
            adjust=adjust,
        )
        members = BuildMembers.read(inputs, centres, resolved, adjust)
        images = members.images(len(resolved.outcome))
        repeats = members.of_others(_stays(resolved), images)
        kept = KeptPictures()
        repeats |= self._repeats(inputs, centres, resolved, images, repeats, adjust, kept)
        copies = find_copies(
            inputs,
            kept,
            self.galleries,
            near=self.settings.near_copy,
            alike=self.settings.similar,
            resembling=self.settings.ambiguous,
        )
        copied = dropped(
            copies,
            adjust.kept_crops,
            gallery=self.settings.gallery_copies == "drop",
            across=self.settings.copies_across == "drop",
            alike=self.settings.similar,
        )
        for one in copied.values():
            images[one.person] -= 1
        resolved.outcome[(images < self.settings.min_images) & _stays(resolved)] = TOO_FEW
        person_ids = PersonIds.read(inputs.folder)
        label, person_ids = members.numbered(
            _stays(resolved), {*repeats, *copied}, person_ids, self._secret(inputs)
        )

        rows = out = 0
        for number, shard in enumerate(inputs.shards):
            table = label_table(
                inputs, shard, members.of_shard(number), resolved, label, repeats, copied, adjust
            )
            outputs.table(table, f"{shard}.parquet")
            rows += len(table)
            out += table["outcome"].null_count
        rescued = (label >= 0) & ~_stays(resolved)
        if rescued.any():  # in the build for the sake of the images that somebody kept
            resolved.outcome[rescued] = None
            images[rescued] = members.kept_by_hand(len(label))[rescued]
        outputs.table(people_table(centres, resolved, label, images), "people.parquet")
        outputs.table(pairs_table(resolved.decisions), "pairs.parquet")
        outputs.table(near_copies_table(copies, copied, label), NEAR_COPIES)
        outputs.table(person_ids.table(), PERSON_IDS)
        if self.corrections:
            outputs.table(effects.without_faces(members.faceless()).table(), CORRECTIONS)
        return {
            "in": rows,
            "out": out,
            "names": len(centres.names),
            "people": int((label >= 0).sum()),
            "near_copies": len(copies),
        }

    def _secret(self, inputs: Inputs) -> bytes:
        """The secret of new ids: the user's, or the manifest's digest."""
        text = self.settings.person_key or (read_build(inputs.folder) or {}).get("sha256", "")
        return hashlib.blake2b(text.encode(), person=b"person key").digest()

    def _repeats(
        self,
        inputs: Inputs,
        centres: Centroids,
        resolved: ResolvedPeople,
        images: NDArray[np.int64],
        gone: Collection[str],
        adjust: Adjustments,
        kept: KeptPictures,
    ) -> dict[str, tuple[str, float]]:
        """Crop -> the crop it repeats and their cosine; takes them off the people's `images`.

        gone: crops that are out already. kept: gets the pictures that stay.
        """
        stays = _stays(resolved)
        person_of = {
            name: int(person)
            for name, person in zip(centres.names, resolved.person, strict=True)
            if stays[person]
        }
        lowest = np.full(len(images), np.iinfo(np.int64).max)
        highest = np.full(len(images), -1)
        np.minimum.at(lowest, resolved.person, centres.shards)
        np.maximum.at(highest, resolved.person, centres.shards)
        spans = stays & (lowest < highest)
        repeats: dict[str, tuple[str, float]] = {}
        width = centres.vectors.shape[1]
        faces_there = np.bincount(resolved.person, centres.images, len(images)).astype(np.int64)
        by_hand = adjust.kept_crops
        for faces in faces_of_people(inputs, person_of, faces_there, spans, width, adjust):
            there = faces.rows[[crop not in gone for crop in faces.rows["crop"].tolist()]]
            crops = there["crop"]
            found = duplicates.find(
                there["feature"],
                there["image"],
                np.ascontiguousarray(there["hash"]),
                threshold=self.settings.duplicate,
                near=self.settings.near_copy,
                cropped=self.settings.cropped_copy,
            )
            for row in np.flatnonzero(found.of >= 0):
                same = there["image"][row] == there["image"][found.of[row]]
                if str(crops[row]) in by_hand and not same:
                    continue
                repeats[str(crops[row])] = str(crops[found.of[row]]), float(found.cosine[row])
                images[faces.person] -= 1
            stay = np.array([crop not in repeats for crop in crops.tolist()], bool)
            kept.add(faces.person, crops[stay], there["hash"][stay])
        return repeats


def _columns(inputs: Inputs) -> ReadColumns:
    return lambda stage, shard, columns: inputs.table(stage, shard, columns)


def _stays(resolved: ResolvedPeople) -> NDArray[np.bool_]:
    return np.array([outcome is None for outcome in resolved.outcome], bool)


def label_table(
    inputs: Inputs,
    shard: str,
    members: ShardMembers,
    resolved: ResolvedPeople,
    label: NDArray[np.int64],
    repeats: Mapping[str, tuple[str, float]],
    copied: Mapping[str, DroppedCopy] = MappingProxyType({}),
    adjust: Adjustments = NO_ADJUSTMENTS,
) -> pa.Table:
    """The rows of a shard: a person, or an outcome and the cosine that decided it.

    What somebody kept of a name of whom no face is known stays where it was dropped: whether such
    people are in a gallery could not be told.
    """
    there = (members.person >= 0) | ~members.is_kept
    table = adjust.clustered(inputs, shard).filter(pa.array(there))
    person: list[int | None] = []
    outcome: list[str | None] = []
    similarity: list[float | None] = []
    by = [adjust.because.get(crop) for crop in table["crop"].to_pylist()]
    detail = [None if one is None else detail_of(one) for one in by]
    numbers = members.person[there].tolist()
    for crop, number in zip(table["crop"].to_pylist(), numbers, strict=True):
        if number < 0:
            why, cosine = adjust.out[crop], float("nan")
        elif adjust.is_kept(shard, crop):
            why, cosine = None, float("nan")
        else:
            why, cosine = resolved.outcome[number], resolved.similarity[number]
        if crop in repeats:
            of, cosine = repeats[crop]
            why = f"{DUPLICATE}:{of}"
        if crop in copied:
            why, cosine = copied[crop].outcome, copied[crop].similarity
        person.append(int(label[number]) if why is None else None)
        outcome.append(why)
        similarity.append(None if np.isnan(cosine) else float(cosine))
    return pa.table(
        {
            "crop": table["crop"],
            "key": table["key"],
            "sample": pa.array([key.decode() for key in members.samples[there]], pa.string()),
            "person": pa.array(person, pa.int64()),
            "outcome": pa.array(outcome, pa.string()),
            "detail": pa.array(detail, pa.string()),
            "similarity": pa.array(similarity, pa.float32()),
        },
        SHARD,
    )


def people_table(
    centres: Centroids,
    resolved: ResolvedPeople,
    label: NDArray[np.int64],
    images: NDArray[np.int64],
) -> pa.Table:
    """Everybody, with the names they bear; images are those left of a kept person."""
    names: list[list[str]] = [[] for _ in resolved.outcome]
    for name, person in zip(centres.names, resolved.person, strict=True):
        names[person].append(name)
    columns = {
        "person": pa.array(label, mask=label < 0),
        "images": images,
        "names": names,
        "names_merged": [len(own) for own in names],
        "outcome": list(resolved.outcome),
    }
    return pa.table(columns, PEOPLE)


def pairs_table(decisions: Sequence[Decision]) -> pa.Table:
    return pa.Table.from_pylist([vars(decision) for decision in decisions], PAIRS)
