"""Tiny folders in the layout of public sets of docs/public-data.md: names as published, pictures drawn."""

from __future__ import annotations

from pathlib import Path

import drawn_sequences as drawn

HEX = ("0728084c8da942d9", "131368cc17e44240")
TEN = range(10)


def video(path: Path, seed: int = 0) -> None:
    """A file whose first bytes are those of its container; nothing opens more of it here."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {
        ".mp4": b"\0\0\0\x18ftypmp42",
        ".avi": b"RIFF\0\0\0\0AVI LIST",
        ".mpg": b"\0\0\1\xba",
    }[path.suffix]
    path.write_bytes(head + bytes([seed]) * 200)


def hyper_kvasir(root: Path) -> None:
    for number, name in enumerate(("polypp 16.avi", "polypp16.avi", "2c1b.mpg")):
        video(root / "labeled-videos" / "lower-gi-tract" / name, number)
    for number in range(3):
        drawn.unlike(root / "unlabeled-images" / "images" / f"{HEX[0]}-{number}f.jpg", number)


def kvasir_capsule(root: Path) -> None:
    video(root / "labelled_videos" / f"{HEX[0]}.mp4", 1)
    video(root / "unlabelled_videos" / f"{HEX[1]}.mp4", 2)


def real_colon(root: Path) -> None:
    drawn.real_colon(root)
    (root / "video_info.csv").write_text(
        "unique_video_name,fps,site\n001-012,29.97,1\n001-014,25,1\n", encoding="utf-8"
    )


def surgical_actions(root: Path) -> None:
    for number in (1, 2):
        video(root / "16_endobag-out" / f"16_{number:02d}.mp4", number)


def nerthus(root: Path) -> None:
    for run in (1, 2):
        drawn.draw_run(root / "0", TEN, name=f"bowel_{run}_score_0-0_{{:08d}}.jpg", seed=run)


def ld_polyp(root: Path) -> None:
    for run in (1, 2):
        drawn.draw_run(root / "TrainValid" / "Images" / str(run), range(1, 11), name="{:04d}.jpg", seed=run)
    (root / "TrainValid" / "Annotations").mkdir()
    (root / "TrainValid" / "Annotations" / "0001.txt").write_text("0")


def esad(root: Path) -> None:
    for number in (1, 2, 9, 40, 41, 90):
        drawn.draw(root / "set1" / f"RARP2_frame_{number}.jpg", number)
        (root / "set1" / f"RARP2_frame_{number}.txt").write_text("3 0.5 0.5 0.1 0.1")


def glenda(root: Path) -> None:
    for start in (0, 300):
        drawn.draw_run(root / "pathology" / f"v_2506_s_{start}-{start + 95}", TEN, name="f_{}.jpg", seed=start)


def capsule_vision(root: Path) -> None:
    drawn.unlike(root / "training" / "Angioectasia" / "KVASIR" / f"{HEX[0]}_12.jpg", 1)
    drawn.unlike(root / "training" / "Bleeding" / "KVASIR" / f"{HEX[0]}_4068.jpg", 2)
    drawn.unlike(root / "training" / "Normal" / "SEE-AI" / "image00012.jpg", 3)
    drawn.unlike(root / "validation" / "Normal" / "KID" / "normal5.jpg", 4)


def sun_seg(root: Path) -> None:
    for run in (1, 2):
        for tree in ("Frame", "GT"):
            name = f"case_M_20181001_{run}_image{{:04d}}." + ("jpg" if tree == "Frame" else "png")
            drawn.draw_run(root / "TrainDataset" / tree / f"case7_{run}", TEN, name=name, seed=run)


def polyp_gen(root: Path) -> None:
    drawn.polyp_gen(root)
    drawn.draw_run(root / "negative" / "seq4" / "images_seq4", TEN, name="seq4_neg_{}.jpg")


def cholec_t50(root: Path) -> None:
    for number in (1, 50):
        drawn.draw_run(root / "videos" / f"VID{number:02d}", TEN, name="{:06d}.png", seed=number)


def cholec80(root: Path) -> None:
    for number in (1, 2):
        video(root / "videos" / f"video{number:02d}.mp4", number)


def endo_vis(root: Path) -> None:
    for eye in ("left", "right"):
        folder = root / "instrument_dataset_1" / f"{eye}_frames"
        drawn.draw_run(folder, range(225, 235), name="frame{:03d}.png")


def c3vd(root: Path) -> None:
    for number in TEN:
        drawn.draw(root / "cecum_t1_a" / f"{number:04d}_color.png", number)
        for word in ("depth.tiff", "normals.tiff", "occlusion.png"):
            drawn.mask(root / "cecum_t1_a" / f"{number:04d}_{word}", number)
