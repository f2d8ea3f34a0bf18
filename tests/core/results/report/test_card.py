import html
from collections.abc import Callable
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from core.events import JobWarning
from core.results.report import Outcome
from core.results.report.card import model_card, plain
from core.results.report.page import html_page


def test_hugging_face_reads_the_front_matter(make_outcome: Callable[..., Outcome]) -> None:
    outcome = make_outcome()
    data = ModelCard(model_card(outcome)).data
    assert data.pipeline_tag == "image-classification"
    assert data.library_name == "pytorch"
    assert data.license is None
    result = next(result for result in data.eval_results if result.metric_name == "Top-1 accuracy")
    assert result.metric_value == pytest.approx(outcome.metrics["test"]["top1"])
    assert (result.dataset_split, result.dataset_name, result.dataset_type) == ("test", "fruit.zip", "custom")


def test_only_names_that_the_hub_knows_stand_in_the_front_matter(make_outcome: Callable[..., Outcome]) -> None:
    outcome = make_outcome()
    assert ModelCard(model_card(outcome)).data.datasets is None, "file:///data/fruit.zip means nothing to a stranger"
    assert ModelCard(model_card(outcome)).data.base_model is None
    public = replace(
        outcome,
        dataset=outcome.dataset.model_copy(update={"uri": "hf://datasets/uoft-cs/cifar10/plain_text"}),
        spec={**outcome.spec, "teacher": {"architecture": "timm/vit_small_patch16_224.augreg_in1k", "weights": None}},
    )
    data = ModelCard(model_card(public)).data
    assert data.datasets == ["uoft-cs/cifar10"]
    assert data.base_model == "timm/vit_small_patch16_224.augreg_in1k"


def test_the_card_says_what_is_known_and_how_sure_we_are(make_outcome: Callable[..., Outcome]) -> None:
    card = model_card(make_outcome())
    for words in (
        "(our variant)",
        "| Student | cifar/resnet8 | 89.2% | 85.8–91.9% | 77.8 k | 12.5 M | 314 kB | 0.41 ms |",
        "No license is stated",
        "200 train, 200 validation, 400 test",
        "0. apple\n1. mushroom\n2. orange\n3. pear\n",
    ):
        assert words in card


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        (None, "random weights"),
        ("teacher", "the teacher's weights, by weight selection (Xu et al., ICLR 2024)"),
        ("published", "the library's published weights"),
        ("https://me:secret@host/a.pth?token=secret", "the weights of https://host/a.pth?token=..."),
    ],
)
def test_the_card_says_what_the_student_began_with(
    make_outcome: Callable[..., Outcome], weights: str | None, told: str
) -> None:
    outcome = make_outcome()
    student = {**outcome.spec["student"], "weights": weights}
    outcome = replace(outcome, spec={**outcome.spec, "student": student})
    assert f"| student.weights | {told} |" in model_card(outcome)
    assert told in html.unescape(html_page(outcome))


def test_the_steps_are_those_that_were_taken(make_outcome: Callable[..., Outcome]) -> None:
    outcome = make_outcome()
    training = {**outcome.spec["training"], "max_steps": 1200}
    outcome = replace(outcome, spec={**outcome.spec, "training": training})
    card = model_card(outcome)
    assert "| training.max_steps | 1200 |\n" in card
    assert "| optimizer steps taken | 1200 |\n" in card
    assert "1,200 steps" in html_page(outcome)


def test_test_images_are_unseen_by_this_job_and_no_more_is_claimed(make_outcome: Callable[..., Outcome]) -> None:
    alone = make_outcome(method="scratch", teacher=False, baselines=())
    taught = make_outcome()
    for text in (model_card(alone), html_page(alone)):
        assert "no training of this job saw" in text
        assert "given to it" not in text
    for text in (model_card(taught), html_page(taught)):
        assert "weights that were given to it may have" in text


def test_warnings_are_told_with_hint_and_count_and_stay_text(make_outcome: Callable[..., Outcome]) -> None:
    warnings = (
        JobWarning(code="DATASET_LEAK", message="<b>3 images</b> are in two splits", hint="remove them", count=31),
        JobWarning(code="OTHER", message="something else"),
    )
    outcome = replace(make_outcome(), warnings=warnings)
    card, page = model_card(outcome), html_page(outcome)
    for text in (card, page):
        assert "&lt;b&gt;3 images&lt;/b&gt; are in two splits" in text
        assert "remove them" in text
        assert "something else" in text
        assert "<b>3" not in text
    assert "DATASET_LEAK" in page
    assert "31" in page
    assert "Warnings" not in model_card(make_outcome()) + html_page(make_outcome())


def test_class_names_stay_text_in_the_card(make_outcome: Callable[..., Outcome]) -> None:
    evil = ("<img src=x onerror=alert(1)>", "a|b", "line\nbreak", "[x](javascript:alert(1))")
    body = model_card(make_outcome(evil, name="<script>*bold*")).split("---\n", 2)[2]
    assert "<img" not in body and "<script" not in body
    assert "a\\|b" in body and "line break" in body and "\\[x\\](javascript" in body


def test_plain_text_is_left_as_it_is() -> None:
    assert plain("sweet pepper 2") == "sweet pepper 2"


@pytest.mark.parametrize(
    ("architecture", "library", "snippet"),
    [
        ("torchvision/resnet18", "torchvision", 'torchvision.models.get_model("resnet18", num_classes=4)'),
        ("timm/mobilenetv3_small_050", "timm", 'timm.create_model("mobilenetv3_small_050", num_classes=4)'),
        ("cifar/resnet8", "pytorch", 'load_file("model.safetensors")'),
        ("torchvision/resnet18+simkd-64x2", "pytorch", "of torchvision/resnet18+simkd-64x2, float32"),
    ],
)
def test_the_snippet_fits_the_network(
    make_outcome: Callable[..., Outcome], architecture: str, library: str, snippet: str
) -> None:
    outcome = make_outcome()
    outcome = replace(outcome, student=outcome.student.model_copy(update={"architecture": architecture}))
    card = model_card(outcome)
    assert snippet in card and ModelCard(card).data.library_name == library
