"""Options of single learners, strategies and evaluations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tfal.recipe.options import option
from tfal.recipe.run_options import LDMS

MQNET, MQNET_PAPER, CCAL = "MQ-Net public code", "MQ-Net paper", "CCAL public code"
LOW_BUDGET, INITIAL_POOLS = "low-budget public code", "initial-pools public code"
_published = partial(option, protocol=True)
_encoder = partial(_published, group="encoders: csi for mqnet, two for ccal")
_low_budget = partial(_published, group="low budgets")
_unsupervised = partial(_published, group="vae, scan and vaal: learners without labels")
_strategy = partial(_published, group="options of single strategies")


@dataclass(frozen=True)
class MethodOptions:
    """The second part of a Recipe."""

    n_epoch_csi: int = _encoder(1000, "pretraining epochs, csi", least=1, uses="csi", source=MQNET)
    n_epoch_ccal: int = _encoder(700, "pretraining epochs, ccal", least=1, uses="ccal_semantic", source=MQNET)
    n_batch_encoder: int = _encoder(
        32,
        "pretraining batch before views and rotations [images]",
        least=2,
        uses="csi | ccal_semantic | simclr",
        source=MQNET,
    )
    n_warmup: int = _encoder(
        10,
        "epochs in which the learning rate rises to its tenfold",
        least=0,
        uses="csi | ccal_semantic | simclr",
        source=MQNET,
    )
    lr_encoder: float = _encoder(
        0.1, "learning rate before the warm-up", above=0, uses="csi | ccal_semantic | simclr", source=MQNET
    )
    coder_input: str = _encoder(
        "unit",
        "values that encoders see: unit range, or as in MQ-Net's code",
        choices=("unit", "code"),
        uses="csi | ccal_semantic | simclr",
    )

    encoder: str = _low_budget(
        "simclr",
        "where frozen features come from: simclr (trained here), a .keras file, or keras:NAME for ImageNet weights",
        uses="encoder",
        file=True,
    )
    trust_encoder: str = _low_budget(
        "off",
        "on: the .keras file of --encoder may run code, such as that of Lambda layers, and is loaded with any Keras",
        choices=("off", "on"),
        identity=False,
        uses="encoder keras",
    )
    encoder_statistics: str = _low_budget(
        "imagenet",
        "mean and deviation that a converted checkpoint's images are normalised by: ImageNet's, or channels, those of "
        "the training images",
        choices=("imagenet", "channels"),
        uses="encoder converted",
    )
    n_epoch_simclr: int = _low_budget(200, "pretraining epochs, simclr", least=1, uses="simclr")
    simclr_optimizer: str = _low_budget(
        "lars",
        "simclr; sgd: no warm-up, lrEncoder falls to a thousandth by a cosine; both with momentum 0.9",
        choices=("lars", "sgd"),
        uses="simclr",
        source=MQNET,
    )
    simclr_decay: float = _low_budget(1e-6, "weight decay, simclr", least=0, uses="simclr", source=MQNET)
    simclr_temperature: float = _low_budget(
        0.5, "temperature of the loss, simclr", above=0, uses="simclr", source=MQNET
    )
    simclr_sides: str = _low_budget(
        "both",
        "views that look for their partners, simclr: both, or the first one only",
        choices=("both", "one"),
        uses="simclr",
        source=MQNET,
    )
    simclr_jitter: float = _low_budget(
        0.4, "how far factors of contrast, colour and light are from 1, simclr", least=0, uses="simclr", source=MQNET
    )
    simclr_hue: float = _low_budget(
        0.1 * 255 / 360, "largest shift of the hue [turns], simclr", least=0, below=1, uses="simclr", source=MQNET
    )
    simclr_crop: float = _low_budget(
        0.08, "smallest area of a crop [share], simclr", above=0, below=1, uses="simclr", source=MQNET
    )
    splits: str | None = _low_budget(None, "budgets [images], an ascending comma list; not set: nInit, + nQuery, ...")
    evaluate: str = _low_budget("linear,knn", "a comma list of linear, knn, finetune, scratch", uses="splits")
    resume_indices: str | None = _low_budget(None, "an .npy file of ids to start from", uses="splits", file=True)
    n_neighbor: int = _low_budget(1, "neighbors that vote, knn", least=1, uses="knn", source=LOW_BUDGET)
    n_redo: int = _low_budget(5, "k-means restarts, of which the best counts", least=1, uses="own", source=LOW_BUDGET)
    n_iter: int = _low_budget(20, "k-means iterations", least=1, uses="own", source=LOW_BUDGET)
    head_input: str = _low_budget(
        "unit",
        "what the linear head sees that strategies ask: features of length 1, or raw, as they are",
        choices=("unit", "raw"),
        uses="head",
    )
    lr_head: float = _low_budget(0.01, "learning rate of the linear head that strategies ask", above=0, uses="head")
    lr_linear: float = _low_budget(
        0.01, "learning rate of linear heads that judge", above=0, uses="linear | finetune", source=LOW_BUDGET
    )
    lr_schedule: str | None = _low_budget(
        None,
        "where linear heads, finetune and scratch go on at a tenth of the rate [percent of the epochs], an ascending "
        "comma list; not set: 50,75, of scratch 30,60,90",
        uses="linear | finetune | scratch | head",
    )
    n_epoch_linear: int = _low_budget(
        100,
        "epochs of linear heads, of fine-tuning and from scratch",
        least=1,
        uses="linear | finetune | scratch | head",
        source=LOW_BUDGET,
    )
    lr_finetune: float = _low_budget(
        1e-4, "learning rate of the network, finetune", above=0, uses="finetune", source=LOW_BUDGET
    )
    lr_scratch: float = _low_budget(0.1, "learning rate, scratch", above=0, uses="scratch", source=LOW_BUDGET)

    n_epoch_vae: int = _unsupervised(200, "pretraining epochs, vae", least=1, uses="vae", source=INITIAL_POOLS)
    n_batch_vae: int = _unsupervised(200, "batch, vae [images]", least=1, uses="vae", source=INITIAL_POOLS)
    lr_vae: float = _unsupervised(1e-3, "learning rate of Adam, vae", above=0, uses="vae", source=INITIAL_POOLS)
    vae_latent: int = _unsupervised(
        128, "dimensions of the latent space, vae", least=1, uses="vae", source=INITIAL_POOLS
    )
    n_epoch_scan: int = _unsupervised(50, "epochs of the clustering, scan", least=1, uses="scan", source=INITIAL_POOLS)
    n_epoch_self_label: int = _unsupervised(
        200, "epochs of the self-label stage, self_label", least=1, uses="self_label", source=INITIAL_POOLS
    )
    n_batch_scan: int = _unsupervised(128, "batch, scan [images]", least=2, uses="scan", source=INITIAL_POOLS)
    lr_scan: float = _unsupervised(1e-4, "learning rate of Adam, scan", above=0, uses="scan", source=INITIAL_POOLS)
    n_neighbor_scan: int = _unsupervised(
        20, "nearest neighbors of an image, scan", least=1, uses="scan", source=INITIAL_POOLS
    )
    n_epoch_vaal: int = _unsupervised(
        100, "epochs of vae and discriminator in each round, vaal", least=1, uses="vaal", source=INITIAL_POOLS
    )
    n_batch_vaal: int = _unsupervised(
        64, "batch from each pool, vaal [images]", least=1, uses="vaal", source=INITIAL_POOLS
    )
    lr_vaal: float = _unsupervised(5e-4, "learning rate of Adam, vaal", above=0, uses="vaal", source=INITIAL_POOLS)
    vaal_latent: int = _unsupervised(
        32, "dimensions of the latent space, vaal", least=1, uses="vaal", source=INITIAL_POOLS
    )
    vaal_kl: str = _unsupervised(
        "mean",
        "vaal: divergence as a mean like the error, or summed as in the code",
        choices=("mean", "sum"),
        uses="vaal",
    )

    n_cluster: int = _strategy(
        0,
        "scan, self_label, kmeans_clusters, cluster_ranking: clusters; 0: as many as classes",
        least=0,
        uses="scan",
    )
    ranking: str | None = _strategy(None, "ranking: an .npy file of ids, best first", uses="own", file=True)
    rank_score: str = _strategy(
        "simclr_loss",
        "cluster_ranking: score, or ranking: the order in the file of --ranking",
        choices=("simclr_loss", "vae_loss", "ranking"),
        uses="own",
    )
    rank_clusters: str = _strategy(
        "kmeans", "cluster_ranking: clusters", choices=("kmeans", "scan", "self_label"), uses="own"
    )
    n_pass: int = _strategy(25, "dbal, bald, batchbald: passes with dropout", least=2, uses="own", source=INITIAL_POOLS)
    n_member: int = _strategy(
        3, "variation_ratio, ensemble_entropy: networks", least=2, uses="ensemble", source=INITIAL_POOLS
    )
    n_view: int = _strategy(10, "consistency: augmented views of an image", least=2, uses="own")
    n_sample: int = _strategy(
        2000, "ldms: Monte-Carlo inputs for the disagree metric [images]", least=1, uses="own", source=LDMS
    )
    n_epoch_loss: int = _strategy(
        120,
        "ll, mqnet: epochs in which the predicted loss trains the whole network",
        least=0,
        uses="loss_predictor",
        source=MQNET,
    )
    rank_ties: str = _strategy(
        "mask",
        "ll, mqnet: equal losses make no pair, or as in the code",
        choices=("mask", "code"),
        uses="loss_predictor",
    )
    classifier_bias: str = _strategy(
        "on", "ll, mqnet: code leaves the head's bias out", choices=("on", "code"), uses="loss_predictor"
    )
    mqnet_mode: str = _strategy(
        "ll",
        "mqnet: informativeness from confidence or predicted loss",
        choices=("conf", "ll"),
        uses="own",
        source=MQNET,
    )
    meta_stats: str = _strategy(
        "from_u",
        "mqnet: statistics that standardise the meta-model's inputs",
        choices=("from_u", "code"),
        uses="own",
    )
    meta_epoch: int = _strategy(
        100, "mqnet: epochs of the meta-model, 100 steps each, see steps", least=1, uses="own", source=MQNET
    )
    meta_batch: int = _strategy(
        64, "mqnet: batch of the meta-model; 32 in the code", least=2, uses="own", source=MQNET_PAPER
    )
    meta_wd: float = _strategy(
        5e-4, "mqnet: weight decay of the meta-model; 0 in the code", least=0, uses="own", source=MQNET_PAPER
    )
    submodular: str = _strategy(
        "logdetcmi", "similar: set function", choices=("logdetcmi", "flcmi"), uses="own", source=MQNET
    )
    ccal_views: str = _strategy(
        "mild",
        "ccal: mean over 10 crops of 54 percent, or heavy: one random view",
        choices=("mild", "heavy"),
        uses="ccal_semantic",
        source=CCAL,
    )
