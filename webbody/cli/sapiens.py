"""`webbody sapiens`: the human vision models of Sapiens."""

import typer

from webbody.cli import sapiens_evaluate, sapiens_predict, sapiens_train

app = typer.Typer(
    help="Human vision models (Sapiens): keypoints, body parts, depth and normals.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.command("demo-data")(sapiens_train.demo_data)
app.command("pretrain")(sapiens_train.pretrain)
app.command("finetune")(sapiens_train.finetune)
app.command("predict")(sapiens_predict.predict)
app.command("evaluate")(sapiens_evaluate.evaluate)
