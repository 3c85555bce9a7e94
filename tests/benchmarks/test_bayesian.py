from benchmarks import bayesian


def test_the_command_prints_a_table(capsys):
    bayesian.main("--images 30 --passes 3 --repeats 1".split())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "30 images (28, 28, 1), 3 passes"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:]]
    ways = ["plain pass", "passes from the first mask on", "passes of the whole network"]
    assert [row[:2] for row in rows] == [[name, way] for name in ("HeadDropout", "SCNN") for way in ways]
    assert all(float(row[2]) > 0 for row in rows)
    assert [row[3] for row in rows if row[1] == "plain pass"] == ["1.00x", "1.00x"]
    assert all(float(row[4]) < 1e-4 for row in rows if row[1] == ways[2])
