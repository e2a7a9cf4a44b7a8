BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle python3
}

Describe "Measure-CracStartup$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        Import-Module "$PSScriptRoot/Support.psm1"
        $folder = Enter-CracTest
        $python = Find-Program python3
        $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)
        $listener.Start()
        $port = $listener.LocalEndpoint.Port
        $listener.Stop()
        $server = '-m', 'http.server', '--bind', '127.0.0.1', $port
    }
    AfterAll { Exit-CracTest }

    It 'measures both in turn, and draws a picture' {
        $measured = Measure-CracStartup $python $server -ReadyPort $port -Count 2 -Plot "$folder/plot.svg"
        $measured.Samples.Kind | Should -Be 'Cold', 'Restored', 'Cold', 'Restored'
        foreach ($kind in $measured.Cold, $measured.Restored) {
            $kind.Minimum | Should -BeLessOrEqual $kind.Median
            $kind.Median | Should -BeLessOrEqual $kind.Percentile95
            $kind.Memory | Should -BeGreaterThan 1MB
        }

        $plot = ([xml](Get-Content -LiteralPath "$folder/plot.svg" -Raw)).svg
        $width = [double] ($plot.viewBox -split ' ')[2]
        $plot.circle.Count | Should -Be 4
        foreach ($dot in $plot.circle) {
            [double] $dot.cx | Should -BeGreaterThan 0
            [double] $dot.cx | Should -BeLessThan $width
        }
        $said = $plot.text.'#text'
        $said[0] | Should -BeLike "*$($python.Split('/')[-1]) -m http.server*"
        $said | Should -Contain 'cold start'
        $said | Should -Contain 'restored'
        @($said -match '^[\d,]+ ms$').Count | Should -Be 2 -Because 'both medians are written beside their dots'

        ($measured | Out-String -Width 80).Split("`n").Where({ $_.Length -gt 80 }) | Should -BeNullOrEmpty
    }

    It 'restores an image that is there, and keeps it' {
        $image = (Start-CracProcess $python $server -ReadyPort $port -ImageName measured).Image
        (Measure-CracStartup $python $server -ReadyPort $port -ImageName measured -Count 1).ImageSize | Should -Be $image.Size
        $image.Path | Should -Exist
    }

    It 'refuses an image that does not match, unless changes are to be ignored' {
        $null = Start-CracProcess $python $server -ReadyPort $port -ImageName other -Environment @{ MODE = 'one' }
        { Measure-CracStartup $python $server -ReadyPort $port -ImageName other -Count 1 } |
            Should -Throw -ErrorId 'ImageOutdated,PSCrac.Commands.MeasureCracStartupCommand' -PassThru |
            ForEach-Object { $_.Exception.Message | Should -BeLike '*the environment variable MODE is not given any more*' }
        (Measure-CracStartup $python $server -ReadyPort $port -ImageName other -Count 1 -IgnoreChange).Count | Should -Be 1
    }

    It 'restores into a pid namespace what was made in one' {
        $image = (Start-CracProcess $python $server -ReadyPort $port -PidNamespace New -ImageName inside).Image
        $inits = [Collections.Generic.List[object]]::new()
        $null = Measure-CracStartup $python $server -ImageName inside -Count 1 -ReadyScript {
            $inits.Add([pscustomobject]@{ IsRestored = $_.IsRestored; IsInside = $_.Id -ne $image.RootProcessId })
            $true
        }
        ($inits | Where-Object IsRestored).IsInside | Select-Object -Unique | Should -BeTrue
    }

    It 'wants a condition' {
        { Measure-CracStartup $python $server } | Should -Throw -ErrorId 'OptionRefused,*'
    }

    It 'starts nothing with -WhatIf' {
        Measure-CracStartup touch "$folder/whatif" -ReadyPort $port -WhatIf | Should -BeNullOrEmpty
        "$folder/whatif" | Should -Not -Exist
    }
}
