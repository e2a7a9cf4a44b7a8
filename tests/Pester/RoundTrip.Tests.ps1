# Programs of several kinds, there and back: the same process id, and the state goes on where it was.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
    # Each appends 1, 2, 3, and so on, to the file {0}, a line each. {1} is samples/Counter, {2} python, {3} the test's folder.
    $programs = @(
        @{ Kind = 'a shell loop'; Obstacle = $obstacle; Command = 'bash -c ''i=0; while :; do i=$((i+1)); echo $i >> "{0}"; sleep 0.03; done''' }
        @{ Kind = 'a shell loop with child processes'; Obstacle = $obstacle; Command = 'bash -c ''i=0; while :; do i=$((i+1)); echo $i >> "{0}"; sleep 0.05; done''' }
        @{ Kind = 'a .NET program'; Obstacle = $obstacle; Command = 'dotnet "{1}" --interval 30 --output "{0}"' }
        @{ Kind = 'a python program'; Obstacle = Get-CriuObstacle python3; Command = '{2} -c ''
import time
n = 0
out = open("{0}", "a", buffering=1)
while True:
    n += 1
    print(n, file=out)
    time.sleep(0.03)
''' }
        @{ Kind = 'a node program'; Obstacle = Get-CriuObstacle node; Command = 'node -e ''let n = 0; setInterval(() => require("fs").appendFileSync("{0}", `${++n}\n`), 30)''' }
        @{ Kind = 'a Java program'; Obstacle = Get-CriuObstacle java; Command = 'java "{3}/Count.java" "{0}"' }
    )
    $noJava = Get-CriuObstacle java
    $noPython = Get-CriuObstacle python3
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    $counterPath = Get-ChildItem "$PSScriptRoot/../../samples/Counter/bin" -Recurse -Filter counter.dll | Select-Object -First 1 -ExpandProperty FullName
    Set-Content -LiteralPath "$folder/Count.java" @'
import java.nio.file.*;

class Count {
    public static void main(String[] args) throws Exception {
        for (int n = 1; ; n++) {
            Files.writeString(Path.of(args[0]), n + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            Thread.sleep(30);
        }
    }
}
'@
}

AfterAll {
    Exit-CracTest
}

Describe 'a round trip' {
    AfterEach {
        Stop-TestProgram
    }

    foreach ($program in $programs) {
        It "takes up $($program.Kind) where it was$(Get-SkipNote $program.Obstacle)" -Skip:([bool] $program.Obstacle) -TestCases $program {
            $file = Join-Path $folder "$([guid]::NewGuid())"
            $id = Start-TestProgram ($Command.Replace('{0}', $file).Replace('{1}', $counterPath).Replace('{2}', "$(Find-Program python3)").Replace('{3}', $folder))
            Wait-Count $file 3

            $image = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/image" -Force
            Test-Path "/proc/$id" | Should -BeFalse -Because 'the cmdlet returns when the process id is free'
            $image | Should -BeOfType PSCrac.CracImage
            $image.RootProcessId | Should -Be $id
            $before = (Get-Count $file).Count

            $restored = Restore-CracProcess $image
            $restored | Should -BeOfType PSCrac.CracRestoredProcess
            $restored.Id | Should -Be $id
            (Get-Count $file).Count | Should -BeGreaterOrEqual $before
            Wait-CountingOn $file
            Find-Gap $file | Should -BeNullOrEmpty
        }
    }

    It "has a JVM collect its garbage first$(Get-SkipNote $noJava)" -Skip:([bool] $noJava) {
        $log = "$folder/gc.log"
        $file = "$folder/collected"
        $started = Start-CracProcess java -ArgumentList "-Xlog:gc:file=$log", "$folder/Count.java", $file -ReadyFile $file -CollectGarbage
        Add-TestProgram $started.Id
        $collections = { @(Select-String -LiteralPath $log -SimpleMatch 'Diagnostic Command').Count }
        Wait-Until { (& $collections) -eq 1 } 'the first collection is logged'
        $image = Invoke-CracCheckpoint -Id $started.Id -ImagePath "$folder/collected.cr" -CollectGarbage
        & $collections | Should -Be 2
        $null = Restore-CracProcess $image
        Wait-CountingOn $file
        Find-Gap $file | Should -BeNullOrEmpty
    }

    It "tells where -CollectGarbage is not for$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        $id = Start-TestProgram 'sleep 1000'
        { Invoke-CracCheckpoint -Id $id -ImagePath "$folder/not" -CollectGarbage -ErrorAction Stop } | Should -Throw -ErrorId 'JvmNotCapable,*'
        Test-Running $id | Should -BeTrue
        "$folder/not" | Should -Not -Exist
        { Start-CracProcess sleep -ArgumentList 1000 -CollectGarbage } | Should -Throw -ErrorId 'JvmNotCapable,*'
    }

    It "keeps a tree of three levels$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        $script = 'bash -c ''bash -c "sleep 1000; :" & bash -c "sleep 1001; :" & wait'''
        $id = Start-TestProgram $script
        $children = { @(Get-Process | Where-Object SessionId -EQ $id | ForEach-Object Id | Sort-Object) }
        Wait-Until { (& $children).Count -eq 5 } 'the tree is grown'
        $before = & $children
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/tree"
        $image.ProcessCount | Should -Be 5
        & $children | Should -BeNullOrEmpty
        (Restore-CracProcess $image).ProcessCount | Should -Be 5
        & $children | Should -Be $before
    }

    It "keeps a listening socket$(Get-SkipNote $noPython)" -Skip:([bool] $noPython) {
        $port = "$folder/port"
        $program = "import socket; s = socket.create_server((`"127.0.0.1`", 0)); open(`"$port`", `"w`").write(str(s.getsockname()[1]) + `"\n`")
while True: c, _ = s.accept(); c.sendall(b`"hello`"); c.close()"
        $id = Start-TestProgram "$(Find-Program python3) -c '$program'"
        Wait-Count $port 1
        $ask = {
            $client = [Net.Sockets.TcpClient]::new('127.0.0.1', (Get-Count $port)[0])
            try { [IO.StreamReader]::new($client.GetStream()).ReadToEnd() } finally { $client.Dispose() }
        }
        & $ask | Should -Be 'hello'
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/listening"
        { & $ask } | Should -Throw
        $image | Restore-CracProcess | Should -Not -BeNullOrEmpty
        & $ask | Should -Be 'hello'
    }

    It "can be repeated: a restored process is checkpointed and restored again$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        $file = "$folder/again"
        $id = Start-Count $file
        foreach ($round in 1..3) {
            Invoke-CracCheckpoint -Id $id -ImagePath "$folder/round$round" | Restore-CracProcess | Should -Not -BeNullOrEmpty
            Wait-CountingOn $file
        }
        Find-Gap $file | Should -BeNullOrEmpty
    }
}

Describe 'plain criu' {
    BeforeAll {
        $criu = Find-CriuPath
    }

    AfterEach {
        Stop-TestProgram
    }

    It "restores an image that Invoke-CracCheckpoint made$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        $file = "$folder/ours"
        $id = Start-Count $file
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/ours.img"
        & $criu restore -D $image.Path -d --work-dir $folder 2>&1 | Out-Null
        $LASTEXITCODE | Should -Be 0
        Test-Running $id | Should -BeTrue
        Wait-CountingOn $file
        Find-Gap $file | Should -BeNullOrEmpty
    }

    It "makes images that Get-CracImage reads and Restore-CracProcess restores$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        $file = "$folder/theirs"
        $id = Start-Count $file
        $null = New-Item -ItemType Directory "$folder/theirs.img"
        & $criu dump -t $id -D "$folder/theirs.img" 2>&1 | Out-Null
        $LASTEXITCODE | Should -Be 0

        $image = Get-CracImage "$folder/theirs.img"
        $image.Manifest | Should -BeNullOrEmpty
        $image.Engine | Should -Be 'Criu'
        $image.RootProcessId | Should -Be $id
        $image.Command | Should -Be 'bash'
        $image.ProcessCount | Should -BeIn 1, 2 -Because "the shell may just have a sleep"
        $image.Memory | Should -BeGreaterThan 0

        # Its process id is free only when init has taken note of the end: the restore waits for that.
        (Restore-CracProcess "$folder/theirs.img").Id | Should -Be $id
        Wait-CountingOn $file
        Find-Gap $file | Should -BeNullOrEmpty
    }
}
