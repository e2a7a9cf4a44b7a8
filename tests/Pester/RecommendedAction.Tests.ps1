# What an error recommends is taken out of its text and done, and helps.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
    $noPython = Get-CriuObstacle python3
    $noAddress = $noPython ? $noPython : (Get-CriuObstacle ip)
    $noNamespace = $noAddress ? $noAddress : (Get-CriuObstacle unshare)
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    $python = Find-Program python3

    function Get-Recommendation([scriptblock] $Try, [string] $Reason) {
        $failure = { & $Try } | Should -Throw -ErrorId "$Reason,*" -PassThru
        $failure.ErrorDetails.RecommendedAction
    }

    function Get-FreePort {
        $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)
        $listener.Start()
        $listener.LocalEndpoint.Port
        $listener.Stop()
    }

    # The command that stands in the text.
    function Find-Command([string] $Recommended, [string] $Pattern) {
        $Recommended -match $Pattern | Should -BeTrue -Because "'$Recommended' has it"
        $Matches[0]
    }
}

AfterAll {
    Exit-CracTest
}

Describe 'What is recommended' {
    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid().ToString('N'))").FullName
        $image = "$work/image"
    }

    AfterEach {
        Stop-TestProgram
    }

    It "makes an image of someone else's one's own, with cp -r$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        $id = Start-TestProgram 'sleep 1000'
        $null = Invoke-CracCheckpoint $id $image
        & chown -R 4321 $image
        $command = Find-Command (Get-Recommendation { Restore-CracProcess $image -ErrorAction Stop } ImageNotTrusted) 'cp -r [^;]+'
        $ownHome = (New-Item -ItemType Directory "$work/home").FullName
        bash -c "HOME=$ownHome; $command"
        Test-CracImage "$ownHome/image" -Quiet | Should -BeTrue
        (Restore-CracProcess "$ownHome/image").Id | Should -Be $id
    }

    It "takes away what was added to an image$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        $id = Start-TestProgram 'sleep 1000'
        $null = Invoke-CracCheckpoint $id $image
        foreach ($from in { (Test-CracImage $image).RecommendedAction }, { Get-Recommendation { Restore-CracProcess $image -ErrorAction Stop } ImageCorrupt }) {
            [IO.File]::WriteAllText("$image/tty-data.img", 'more')
            Invoke-Expression (Find-Command (& $from) 'Remove-Item .+')
            Test-CracImage $image -Quiet | Should -BeTrue
        }
    }

    It "wants a program that was upgraded to be installed again, not opened grown$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        Copy-Item (Find-Program sleep) "$work/program"
        $id = Start-TestProgram "$work/program 1000"
        $null = Invoke-CracCheckpoint $id $image
        Move-Item "$work/program" "$work/old"
        Copy-Item (Find-Program bash) "$work/program"
        $failure = { Restore-CracProcess $image -ErrorAction Stop } | Should -Throw -ErrorId 'FileChanged,*' -PassThru
        $failure.Exception.Message | Should -Match 'was replaced'
        $failure.ErrorDetails.RecommendedAction | Should -Match 'version that was running' -Because 'to let it write on at its end would not help'
        Move-Item "$work/old" "$work/program" -Force
        (Restore-CracProcess $image).Id | Should -Be $id
    }

    It "frees a port, or goes where it is free$(Get-SkipNote $noNamespace)" -Skip:([bool] $noNamespace) {
        $port = Get-FreePort
        $server = '-m', 'http.server', '--bind', '127.0.0.1', $port
        $process = Start-CracProcess $python $server -ReadyPort $port -ImagePath $image
        $other = Start-TestProgram "$python -m http.server --bind 127.0.0.1 $port"
        Wait-Until { -not (Test-CracImage $image -Quiet) } 'the port is taken'
        $recommended = Get-Recommendation { Restore-CracProcess $image -ErrorAction Stop } AddressUnavailable

        Set-Content "$work/restore.ps1" "Import-Module '$((Get-Module PSCrac).Path)'; `$p = Restore-CracProcess '$image' -ReadyPort $port; `"restored `$(`$p.Id)`"; `$p | Stop-Process"
        $command = (Find-Command $recommended "unshare --net .+'") -replace 'pwsh', "$(@(Get-PwshCommand) -join ' ') -NoProfile -File $work/restore.ps1"
        bash -c $command | Should -Be "restored $($process.Id)"

        Invoke-Expression (Find-Command $recommended 'Stop-Process -Id \d+')
        Wait-Until { -not (Test-Running $other) } 'it ends'
        $restored = Restore-CracProcess $image
        Add-TestProgram $restored.Id
        $restored.Id | Should -Be $process.Id
    }

    It "brings back an address$(Get-SkipNote $noAddress)" -Skip:([bool] $noAddress) {
        $address = '198.51.100.78'
        & ip address add $address dev lo
        try {
            $port = Get-FreePort
            $process = Start-CracProcess $python '-m', 'http.server', '--bind', $address, $port -ReadyUri "http://${address}:$port/" -ImagePath $image
            & ip address del "$address/32" dev lo
            $command = Find-Command (Get-Recommendation { Restore-CracProcess $image -ErrorAction Stop } AddressUnavailable) 'ip address add \S+ dev lo'
            Invoke-Expression $command
            $restored = Restore-CracProcess $image
            Add-TestProgram $restored.Id
            $restored.Id | Should -Be $process.Id
        }
        finally {
            & ip address del "$address/32" dev lo
        }
    }

    It "names all that is in the way of a program that is ended over it, and how to give options$(Get-SkipNote $noPython)" -Skip:([bool] $noPython) {
        $port = Get-FreePort
        $null = Start-TestProgram "$python -m http.server --bind 127.0.0.1 $port"
        Set-Content "$work/client.py" "import socket, signal`nc = socket.create_connection(('127.0.0.1', $port))`nprint('ready', flush=True)`nsignal.pause()"
        Wait-Until { try { [Net.Sockets.TcpClient]::new('127.0.0.1', $port).Dispose(); $true } catch { $false } } 'it listens'
        $start = @{ FilePath = $python; ArgumentList = "$work/client.py"; StandardOutputPath = "$work/out"; ReadyPattern = 'ready' }
        $failure = { Start-CracProcess @start -ImagePath $image -ErrorAction Stop } | Should -Throw -ErrorId 'TcpConnectionOpen,*' -PassThru
        $failure.Exception.Message | Should -Not -Match 'Test-CracProcess' -Because 'the process has been ended'
        $failure.Exception.Findings.Severity | Should -Contain 'Blocker'

        $process = Start-CracProcess @start
        $command = Find-Command $failure.ErrorDetails.RecommendedAction 'Invoke-CracCheckpoint -ImagePath \S+(?=,)'
        Invoke-Expression "`$process | $command -TcpClose" | Should -Not -BeNullOrEmpty
        $process.WaitForExit([timespan]::FromSeconds(10)) | Should -BeTrue
    }

    It 'can be done where the process is the first one' {
        $recommended = @(Invoke-CracCheckpoint 1 $image 2>&1)[-1].ErrorDetails.RecommendedAction
        $recommended | Should -Match 'one of the processes that it has started'
        (Test-CracProcess -Id 1).RecommendedAction -join ' ' | Should -Not -Match 'another terminal'
    }
}
