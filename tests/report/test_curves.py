"""Curves stand in the panels that the table of metrics gives them, under names that say which split they are of."""

from pixelgan_jax.report import curves


def drawn(monkeypatch, **values):
    """{title: names in the legend} of the panels for rows with these values."""

    def panels(figure):
        legends = {axes.get_title(loc="left"): axes.get_legend() for axes in figure.axes}
        return {
            title: [text.get_text() for text in made.get_texts()] if made else [] for title, made in legends.items()
        }

    monkeypatch.setattr(curves, "figure_png", panels)
    return curves.training_curves([{"step": step, **values} for step in (1, 2)])


def test_a_split_is_named_where_training_and_validation_share_a_panel(monkeypatch):
    title, training = "Reconstruction, nats per image", {"reconstruction_nats": 1.0}
    assert drawn(monkeypatch, **training) == {title: ["training"]}
    validation = {"validation_shuffled_code_nats": 2.0, "validation_reconstruction_nats": 1.0}
    names = ["training", "validation", "validation, codes shuffled"]
    assert drawn(monkeypatch, **training, **validation) == {title: names}


def test_losses_come_first_and_what_the_table_does_not_know_last(monkeypatch):
    found = drawn(
        monkeypatch,
        validation_new=1.0,
        validation_cluster_error_majority=0.5,
        validation_nmi=0.5,
        supervised_loss=1.0,
        generator_loss=1.0,
        images_per_second=9.0,
    )
    assert list(found.items()) == [
        ("Adversarial losses, nats", ["generator"]),
        ("Supervised loss, nats", []),
        ("Validation error", ["clusters, majority"]),
        ("Validation: clusters and labels", ["NMI"]),
        ("validation_new", []),
    ]


def test_clusters_that_are_the_classes_have_no_curves_of_their_own(monkeypatch):
    found = drawn(monkeypatch, validation_error=0.1, validation_cluster_error_majority=0.1, validation_nmi=0.5)
    assert found == {"Validation error": ["classification"]}
